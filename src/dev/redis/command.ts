/** What a command is, and what its handler is given. */
import type { ClientState } from "./client-state.ts";
import type { Meter } from "./collection.ts";
import type { Database } from "./database.ts";
import type { Encoding } from "./encoding.ts";

/** One embedded Redis: 16 databases under one memory limit. */
export interface Shard {
  readonly databases: readonly Database[];
  readonly meter: Meter;
  readonly memoryBytesMax: number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly startedAtMs: number;
  readonly clients: Set<ClientState>;
  /** Commands that are known. */
  readonly commandCount: number;
  commandsProcessed: number;
  /** To be called after each write: tries again what waits for elements. */
  onWrite: () => void;
}

export interface Call {
  /** The request: command name as sent (for a subcommand, two names), then its arguments. Byte strings. */
  readonly args: readonly string[];
  readonly db: Database;
  /** The client's, as it was when the request came. */
  readonly encoding: Encoding;
  readonly client: ClientState;
  readonly shard: Shard;
}

/** @returns the encoded reply, or WOULD_BLOCK. @throws CommandError for an error reply; the data must be unchanged then */
export type Handler = (call: Call) => string;

/**
 * Arity as Redis counts it (name included; negative: at least), the handler, and "grows" for a command that is refused
 * when memory is used up.
 */
export type CommandRow = readonly [arity: number, handler: Handler, memory?: "grows"];

/** Rows by lower-case name; a subcommand is named `parent|child`. */
export type CommandTable = Readonly<Record<string, CommandRow>>;

/** Argument `index`. Only for indexes that the arity or a length check guarantees. */
export function at(call: Call, index: number): string {
  const value = call.args[index];
  if (value === undefined) throw new RangeError(`argument ${index} is missing`);
  return value;
}

/** Arguments from `index` on. */
export function from(call: Call, index: number): string[] {
  return call.args.filter((_, position) => position >= index);
}

/** Arguments from `index` on, two by two; the last one is left out when their number is odd. */
export function pairs(call: Call, index: number): [string, string][] {
  const result: [string, string][] = [];
  for (let i = index; i + 1 < call.args.length; i += 2) result.push([at(call, i), at(call, i + 1)]);
  return result;
}
