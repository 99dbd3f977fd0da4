/** Runs one request: finds the command, checks its arity and the memory limit, and turns refusals into error replies. */
import type { Call, ClientState, CommandRow, Shard } from "./command.ts";
import { CommandError, cText, OUT_OF_MEMORY, wrongArity } from "./command-error.ts";
import { COMMANDS, CONTAINERS } from "./command-table.ts";
import { error } from "./reply.ts";

const NAME_SHOWN_MAX = 128;

/** @param args the request as byte strings, at least one. @returns the encoded reply */
export function execute(shard: Shard, client: ClientState, args: readonly string[]): string {
  shard.commandsProcessed += 1;
  const db = shard.databases[client.database];
  if (db === undefined) throw new RangeError("no such database");
  try {
    const { name, row } = findCommand(args);
    checkArity(name, row[0], args.length);
    if (row[2] === "grows") checkMemory(shard);
    const call: Call = { args, db, encoding: client.encoding, client, shard };
    return row[1](call);
  } catch (failure) {
    if (failure instanceof CommandError) return error(failure.message);
    throw failure;
  }
}

function findCommand(args: readonly string[]): { name: string; row: CommandRow } {
  const [sent = "", child] = args;
  const parent = sent.toLowerCase();
  const isContainer = CONTAINERS.has(parent);
  const name = isContainer && child !== undefined ? `${parent}|${child.toLowerCase()}` : parent;
  const row = COMMANDS.get(name);
  if (row !== undefined) return { name, row };
  if (isContainer && child !== undefined) {
    const shown = cText(child).substring(0, NAME_SHOWN_MAX);
    throw new CommandError(`ERR unknown subcommand '${shown}'. Try ${parent.toUpperCase()} HELP.`);
  }
  throw new CommandError(unknownCommand(args));
}

function unknownCommand(args: readonly string[]): string {
  let shown = "";
  for (const arg of args.values().drop(1)) {
    if (shown.length >= NAME_SHOWN_MAX) break;
    shown += `'${cText(arg.substring(0, NAME_SHOWN_MAX - shown.length))}' `;
  }
  const name = cText(args[0] ?? "").substring(0, NAME_SHOWN_MAX);
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
}

function checkArity(name: string, arity: number, count: number): void {
  const isRight = arity >= 0 ? count === arity : count >= -arity;
  if (!isRight) throw new CommandError(wrongArity(name));
}

function checkMemory(shard: Shard): void {
  if (shard.meter.used <= shard.memoryBytesMax) return;
  for (const db of shard.databases) db.sweep();
  if (shard.meter.used > shard.memoryBytesMax) throw new CommandError(OUT_OF_MEMORY);
}
