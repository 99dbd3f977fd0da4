/** Strings that hold numbers: INCR and its relatives. */
import { at, type Call, type CommandTable } from "../command.ts";
import { fail, NOT_FINITE, NOT_FLOAT, NOT_INTEGER, OVERFLOW } from "../command-error.ts";
import { addExtended, formatExtended, parseExtended } from "../extended-float.ts";
import { INT64_MAX, INT64_MIN, integerArg } from "../number.ts";
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

/** old + by as Redis computes and prints it. `notFloat` is the error for an old text that is no number. */
export function sumFloats(old: string | undefined, by: string, notFloat: string): string {
  const current = old === undefined ? { mantissa: 0n, exponent: 0 } : parseExtended(old);
  if (current === null) fail(notFloat);
  const increment = parseExtended(by);
  if (increment === null) fail(NOT_FLOAT);
  if (current === "infinite" || increment === "infinite") fail(NOT_FINITE);
  const sum = addExtended(current, increment);
  if (sum === null) fail(NOT_FINITE);
  return formatExtended(sum);
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
  const sum = sumFloats(call.db.getString(key), at(call, 2), NOT_FLOAT);
  call.db.replace(key, sum);
  return bulk(sum);
}
