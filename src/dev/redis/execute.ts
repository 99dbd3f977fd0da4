/** Runs one request: finds the command, checks its arity and the memory limit, and turns refusals into error replies. */
import { STANDARD_COMMANDS } from "../../protocols/redis/commands/command-facts.ts";
import { type ClientState, isSubscriber } from "./client-state.ts";
import type { Call, CommandRow, Shard } from "./command.ts";
import { CommandError, cText, fail, OUT_OF_MEMORY, wrongArity } from "./command-error.ts";
import { COMMANDS, CONTAINERS } from "./command-table.ts";
import { foundNothing, WOULD_BLOCK } from "./commands/blocking-commands.ts";
import { bulk, error, simple } from "./reply.ts";
import { breakWatches, controlTransaction, IMMEDIATE } from "./transaction.ts";

const NAME_SHOWN_MAX = 128;

/** What a subscriber may say in RESP2. */
const FOR_SUBSCRIBERS = /^([ps]?(un)?subscribe|ping|quit|reset)$/;

const WRITES: ReadonlySet<string> = new Set(
  STANDARD_COMMANDS.filter(({ flags }) => flags.includes("write")).map(({ name }) =>
    name.toLowerCase(),
  ),
);

/**
 * @param args the request as byte strings, at least one
 * @returns the encoded reply, or WOULD_BLOCK
 */
export function execute(shard: Shard, client: ClientState, args: readonly string[]): string {
  shard.commandsProcessed += 1;
  try {
    const { name, row } = accept(client, args);
    if (client.transaction !== null && !IMMEDIATE.has(name)) {
      client.transaction.queue.push(args);
      return simple("QUEUED");
    }
    const inside = (queued: readonly string[]): string => {
      const found = findCommand(queued);
      const reply = answer(shard, client, found.name, found.row, queued);
      return reply === WOULD_BLOCK ? foundNothing(client, found.name) : reply;
    };
    return controlTransaction(name, client, args, inside) ?? answer(shard, client, name, row, args);
  } catch (failure) {
    return errorReply(failure);
  }
}

/** The command, if it may be executed or queued. @throws CommandError; a transaction cannot be executed any more then */
function accept(client: ClientState, args: readonly string[]): { name: string; row: CommandRow } {
  try {
    const { name, row } = findCommand(args);
    checkArity(name, row[0], args.length);
    if (isSubscriber(client) && !FOR_SUBSCRIBERS.test(name)) {
      fail(
        `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
      );
    }
    return { name, row };
  } catch (failure) {
    if (client.transaction !== null) client.transaction.isRefused = true;
    throw failure;
  }
}

function answer(
  shard: Shard,
  client: ClientState,
  name: string,
  row: CommandRow,
  args: readonly string[],
): string {
  const db = shard.databases[client.database];
  if (db === undefined) throw new RangeError("no such database");
  try {
    if (row[2] === "grows") checkMemory(shard);
    if (name === "ping" && isSubscriber(client))
      return `*2\r\n${bulk("pong")}${bulk(args[1] ?? "")}`;
    const call: Call = { args, db, encoding: client.encoding, client, shard };
    const { database } = client;
    const reply = row[1](call);
    if (WRITES.has(name) && reply !== WOULD_BLOCK) {
      breakWatches(shard, name, database, args);
      shard.onWrite();
    }
    return reply;
  } catch (failure) {
    return errorReply(failure);
  }
}

function errorReply(failure: unknown): string {
  if (failure instanceof CommandError) return error(failure.message);
  throw failure;
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
