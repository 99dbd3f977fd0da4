/** Reading, joining and cutting strings. */

import { BULK_BYTES_MAX } from "../../../base/limits.ts";
import { at, type Call, type CommandTable, from, pairs } from "../command.ts";
import { fail, OUT_OF_MEMORY, STRING_TOO_LONG, wrongArity } from "../command-error.ts";
import { bulkOrNil } from "../encoding.ts";
import { numberArg } from "../number.ts";
import { array, bulk, flag, integer, OK, ZERO } from "../reply.ts";

export const STRING_COMMANDS: CommandTable = {
  get: [2, (call) => bulkOrNil(call.encoding, call.db.getString(at(call, 1)))],
  mget: [-2, mget],
  mset: [-3, mset, "grows"],
  msetnx: [-3, msetnx, "grows"],
  getset: [3, getSet, "grows"],
  getdel: [2, getDel],
  append: [3, append, "grows"],
  strlen: [2, (call) => integer(call.db.getString(at(call, 1))?.length ?? 0)],
  getrange: [4, getRange],
  substr: [4, getRange],
  setrange: [4, setRange, "grows"],
};

/** Fails when a string of `length` bytes would be too long, or growing by `growth` would exceed the memory limit. */
export function checkGrowth(call: Call, length: number, growth: number): void {
  if (length > BULK_BYTES_MAX) fail(STRING_TOO_LONG);
  if (call.shard.meter.used + growth > call.shard.memoryBytesMax) fail(OUT_OF_MEMORY);
}

function mget(call: Call): string {
  const values = from(call, 1).map((key) => call.db.get(key));
  return array(
    values.map((value) => (typeof value === "string" ? bulk(value) : call.encoding.nil)),
  );
}

function mset(call: Call): string {
  if (call.args.length % 2 === 0) fail(wrongArity("mset"));
  for (const [key, value] of pairs(call, 1)) call.db.set(key, value);
  return OK;
}

function msetnx(call: Call): string {
  if (call.args.length % 2 === 0) fail(wrongArity("msetnx"));
  const items = pairs(call, 1);
  if (items.some(([key]) => call.db.get(key) !== undefined)) return ZERO;
  for (const [key, value] of items) call.db.set(key, value);
  return flag(true);
}

function getSet(call: Call): string {
  const old = call.db.getString(at(call, 1));
  call.db.set(at(call, 1), at(call, 2));
  return bulkOrNil(call.encoding, old);
}

function getDel(call: Call): string {
  const old = call.db.getString(at(call, 1));
  call.db.delete(at(call, 1));
  return bulkOrNil(call.encoding, old);
}

function append(call: Call): string {
  const [key, tail] = [at(call, 1), at(call, 2)];
  const old = call.db.getString(key) ?? "";
  checkGrowth(call, old.length + tail.length, tail.length);
  call.db.replace(key, old + tail);
  return integer(old.length + tail.length);
}

function getRange(call: Call): string {
  const [start, end] = [numberArg(at(call, 2)), numberArg(at(call, 3))];
  const value = call.db.getString(at(call, 1)) ?? "";
  if (start < 0 && end < 0 && start > end) return bulk("");
  const first = Math.max(start < 0 ? value.length + start : start, 0);
  const last = Math.max(end < 0 ? value.length + end : end, 0);
  return bulk(first > last ? "" : value.substring(first, last + 1));
}

function setRange(call: Call): string {
  const [key, patch] = [at(call, 1), at(call, 3)];
  const offset = numberArg(at(call, 2));
  if (offset < 0) fail("ERR offset is out of range");
  const old = call.db.getString(key);
  if (patch === "") return integer(old?.length ?? 0);
  const value = old ?? "";
  checkGrowth(call, offset + patch.length, Math.max(offset + patch.length - value.length, 0));
  const head = value.substring(0, offset).padEnd(offset, "\0");
  const result = head + patch + value.substring(offset + patch.length);
  call.db.replace(key, result);
  return integer(result.length);
}
