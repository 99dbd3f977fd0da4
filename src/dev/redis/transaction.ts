/** MULTI, EXEC and their like. */
import type { ClientState } from "./client-state.ts";
import type { CommandTable, Shard } from "./command.ts";
import { fail } from "./command-error.ts";
import { array, OK } from "./reply.ts";

/** Executed at once also between MULTI and EXEC. */
export const IMMEDIATE: ReadonlySet<string> = new Set([
  ...["multi", "exec", "discard", "watch", "quit", "reset"],
]);

/** For their arity; they are executed by `controlTransaction`. */
export const TRANSACTION_COMMANDS: CommandTable = {
  multi: [1, () => OK],
  exec: [1, () => OK],
  discard: [1, () => OK],
  watch: [-2, () => OK],
  unwatch: [1, () => OK],
};

type Run = (args: readonly string[]) => string;

/** @param run executes one request outside of the transaction */
export function controlTransaction(
  name: string,
  client: ClientState,
  args: readonly string[],
  run: Run,
): string | null {
  switch (name) {
    case "multi":
      if (client.transaction !== null) fail("ERR MULTI calls can not be nested");
      client.transaction = { queue: [], isRefused: false };
      return OK;
    case "discard":
      if (client.transaction === null) fail("ERR DISCARD without MULTI");
      client.transaction = null;
      client.watching = null;
      return OK;
    case "watch":
      if (client.transaction !== null) fail("ERR WATCH inside MULTI is not allowed");
      watch(client, args);
      return OK;
    case "unwatch":
      client.watching = null;
      return OK;
    case "exec":
      return exec(client, run);
    default:
      return null;
  }
}

function watch(client: ClientState, [, ...keys]: readonly string[]): void {
  client.watching ??= { keys: new Set(), isBroken: false };
  for (const key of keys) client.watching.keys.add(watchedName(client.database, key));
}

function watchedName(database: number, key: string): string {
  return `${database} ${key}`;
}

function exec(client: ClientState, run: Run): string {
  const { transaction, watching } = client;
  if (transaction === null) fail("ERR EXEC without MULTI");
  client.transaction = null;
  client.watching = null;
  if (transaction.isRefused) {
    fail("EXECABORT Transaction discarded because of previous errors.");
  }
  if (watching?.isBroken === true) return client.encoding.nilArray;
  return array(transaction.queue.map(run));
}

/** A write was executed: a client that watches one of the words in it, whatever it is there, has its transaction fail. */
export function breakWatches(
  shard: Shard,
  name: string,
  database: number,
  args: readonly string[],
): void {
  for (const { watching } of shard.clients) {
    if (watching === null || watching.isBroken) continue;
    watching.isBroken =
      name.startsWith("flush") || args.some((arg) => watching.keys.has(watchedName(database, arg)));
  }
}
