/** Strings that hold numbers: INCR and its relatives. */

import { INT64_MAX, INT64_MIN } from "../../../protocols/redis/codec/integer.ts";
import { at, type Call, type CommandTable } from "../command.ts";
import { fail, NOT_FINITE, NOT_FLOAT, NOT_INTEGER, OVERFLOW } from "../command-error.ts";
import { addExtended, type Extended, formatExtended, parseExtended } from "../extended-float.ts";
import { integerArg } from "../number.ts";
import { bulk, integer } from "../reply.ts";

export const COUNTER_COMMANDS: CommandTable = {
  incr: [2, (call) => addInteger(call, 1n), "grows"],
  decr: [2, (call) => addInteger(call, -1n), "grows"],
  incrby: [3, (call) => addInteger(call, integerArg(at(call, 2))), "grows"],
  decrby: [3, decrBy, "grows"],
  incrbyfloat: [3, incrByFloat, "grows"],
};

/** old + by in int64. `notInteger` is the error for an old text that is no integer. */
export function sumIntegers(old: string | undefined, by: bigint, notInteger: string): bigint {
  const sum = (old === undefined ? 0n : integerArg(old, notInteger)) + by;
  if (sum > INT64_MAX || sum < INT64_MIN) fail(OVERFLOW);
  return sum;
}

/** The amount that a float command adds. `infinite` is the error for an infinite one. */
export function floatIncrement(text: string, infinite: string): Extended {
  const increment = parseExtended(text) ?? fail(NOT_FLOAT);
  return increment === "infinite" ? fail(infinite) : increment;
}

/** old + by as Redis computes and prints it. `notFloat` is the error for an old text that is no number. */
export function sumFloats(old: string | undefined, by: Extended, notFloat: string): string {
  const current = parseExtended(old ?? "0") ?? fail(notFloat);
  if (current === "infinite") fail(NOT_FINITE);
  return formatExtended(addExtended(current, by) ?? fail(NOT_FINITE));
}

function addInteger(call: Call, by: bigint): string {
  const key = at(call, 1);
  const sum = sumIntegers(call.db.getString(key), by, NOT_INTEGER);
  call.db.replace(key, String(sum));
  return integer(sum);
}

function decrBy(call: Call): string {
  const by = integerArg(at(call, 2));
  if (by === INT64_MIN) fail("ERR decrement would overflow");
  return addInteger(call, -by);
}

function incrByFloat(call: Call): string {
  const key = at(call, 1);
  const old = call.db.getString(key);
  if (old !== undefined && parseExtended(old) === null) fail(NOT_FLOAT);
  const sum = sumFloats(old, floatIncrement(at(call, 2), NOT_FINITE), NOT_FLOAT);
  call.db.replace(key, sum);
  return bulk(sum);
}
