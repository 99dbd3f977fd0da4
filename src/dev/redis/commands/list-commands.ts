/** Lists: the ends and the length. */
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { bulkOrNil } from "../encoding.ts";
import { type ListEnd, ListValue } from "../list-value.ts";
import { numberArg, positiveArg } from "../number.ts";
import { bulk, bulks, EMPTY_ARRAY, integer, ZERO } from "../reply.ts";

export const LIST_COMMANDS: CommandTable = {
  lpush: [-3, (call) => push(call, "left"), "grows"],
  rpush: [-3, (call) => push(call, "right"), "grows"],
  lpushx: [-3, (call) => pushExisting(call, "left"), "grows"],
  rpushx: [-3, (call) => pushExisting(call, "right"), "grows"],
  lpop: [-2, (call) => pop(call, "left")],
  rpop: [-2, (call) => pop(call, "right")],
  llen: [2, (call) => integer(listAt(call)?.size ?? 0)],
  lindex: [3, lindex],
  lrange: [4, lrange],
  rpoplpush: [3, (call) => move(call, "right", "left"), "grows"],
  lmove: [5, lmove, "grows"],
};

export function listAt(call: Call): ListValue | undefined {
  return call.db.find(at(call, 1), ListValue);
}

/** Index from 0 of an index that counts from the end when negative. */
export function absoluteIndex(index: number, size: number): number {
  return index < 0 ? size + index : index;
}

function push(call: Call, end: ListEnd): string {
  const list = call.db.ensure(at(call, 1), ListValue);
  for (const value of from(call, 2)) list.push(end, value);
  return integer(list.size);
}

function pushExisting(call: Call, end: ListEnd): string {
  return listAt(call) === undefined ? ZERO : push(call, end);
}

function pop(call: Call, end: ListEnd): string {
  if (call.args.length > 3)
    fail(`ERR wrong number of arguments for '${end === "left" ? "l" : "r"}pop' command`);
  const count = call.args.length === 3 ? positiveArg(at(call, 2)) : null;
  const list = listAt(call);
  if (list === undefined) return count === null ? call.encoding.nil : call.encoding.nilArray;
  if (count === 0) return EMPTY_ARRAY;
  const taken: string[] = [];
  while (taken.length < (count ?? 1) && list.size > 0) taken.push(list.pop(end) ?? "");
  call.db.dropIfEmpty(at(call, 1));
  return count === null ? bulk(taken[0] ?? "") : bulks(taken);
}

function lindex(call: Call): string {
  const list = listAt(call);
  if (list === undefined) return call.encoding.nil;
  return bulkOrNil(call.encoding, list.at(absoluteIndex(numberArg(at(call, 2)), list.size)));
}

function lrange(call: Call): string {
  const [start, end] = [numberArg(at(call, 2)), numberArg(at(call, 3))];
  const list = listAt(call);
  if (list === undefined) return EMPTY_ARRAY;
  return bulks(list.range(absoluteIndex(start, list.size), absoluteIndex(end, list.size)));
}

function lmove(call: Call): string {
  return move(call, readEnd(at(call, 3)), readEnd(at(call, 4)));
}

function readEnd(text: string): ListEnd {
  if (/^left$/i.test(text)) return "left";
  return /^right$/i.test(text) ? "right" : fail(SYNTAX);
}

function move(call: Call, take: ListEnd, put: ListEnd): string {
  const source = listAt(call);
  if (source === undefined) return call.encoding.nil;
  const target = call.db.find(at(call, 2), ListValue);
  const value = source.pop(take) ?? "";
  (target ?? call.db.ensure(at(call, 2), ListValue)).push(put, value);
  call.db.dropIfEmpty(at(call, 1));
  return bulk(value);
}
