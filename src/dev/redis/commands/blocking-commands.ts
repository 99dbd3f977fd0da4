/**
 * Commands that wait for an element. A handler that finds none answers with WOULD_BLOCK; its connection runs it again after
 * each write, until it succeeds or its time is over.
 */
import { at, type Call, type CommandTable, type Handler } from "../command.ts";
import { fail } from "../command-error.ts";
import { doubleArg } from "../number.ts";
import { bulk } from "../reply.ts";
import { LIST_COMMANDS } from "./list-commands.ts";
import { SORTED_SET_COMMANDS } from "./sorted-set-commands.ts";

/** In place of a reply. */
export const WOULD_BLOCK = "";

export const BLOCKING_COMMANDS: CommandTable = {
  blpop: [-3, (call) => popFirst(call, LIST_COMMANDS, "lpop")],
  brpop: [-3, (call) => popFirst(call, LIST_COMMANDS, "rpop")],
  bzpopmin: [-3, (call) => popFirst(call, SORTED_SET_COMMANDS, "zpopmin")],
  bzpopmax: [-3, (call) => popFirst(call, SORTED_SET_COMMANDS, "zpopmax")],
  blmove: [6, (call) => move(call, "lmove"), "grows"],
  brpoplpush: [4, (call) => move(call, "rpoplpush"), "grows"],
};

/** Milliseconds; 0: for ever. The timeout is the last argument of all these commands. */
export function timeoutMs(call: Pick<Call, "args">): number {
  const seconds = doubleArg(call.args.at(-1) ?? "", "ERR timeout is not a float or out of range");
  return seconds < 0 ? fail("ERR timeout is negative") : seconds * 1000;
}

/** The reply inside a transaction, where no client waits. */
export function foundNothing({ encoding }: Pick<Call, "encoding">, name: string): string {
  return name.endsWith("move") || name.endsWith("push") ? encoding.nil : encoding.nilArray;
}

/** The key, and what `name` takes from it: the first key that has anything. */
function popFirst(call: Call, table: CommandTable, name: string): string {
  timeoutMs(call);
  for (let i = 1; i < call.args.length - 1; i += 1) {
    const key = at(call, i);
    if (call.db.get(key) === undefined) continue;
    const taken = handler(table, name)({ ...call, args: [name, key] });
    // A member and its score come as a pair.
    const items = taken.startsWith("*2\r\n") ? taken.substring(4) : taken;
    return `*${items === taken ? 2 : 3}\r\n${bulk(key)}${items}`;
  }
  return WOULD_BLOCK;
}

function move(call: Call, name: string): string {
  timeoutMs(call);
  const isMissing = call.db.get(at(call, 1)) === undefined;
  return isMissing ? WOULD_BLOCK : handler(LIST_COMMANDS, name)(call);
}

function handler(table: CommandTable, name: string): Handler {
  return table[name]?.[1] ?? fail(`ERR no ${name}`);
}
