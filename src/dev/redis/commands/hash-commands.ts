/** Hashes. */
import { at, type Call, type CommandTable, from, pairs } from "../command.ts";
import { fail, NOT_INTEGER, wrongArity } from "../command-error.ts";
import { bulkOrNil } from "../encoding.ts";
import { HashValue } from "../hash-value.ts";
import { integerArg } from "../number.ts";
import { array, bulk, bulks, flag, integer, OK, ZERO } from "../reply.ts";
import { readSample, sample } from "../sample.ts";
import { floatIncrement, sumFloats, sumIntegers } from "./counter-commands.ts";

export const HASH_COMMANDS: CommandTable = {
  hset: [-4, (call) => integer(setFields(call, "hset")), "grows"],
  hmset: [-4, hmset, "grows"],
  hsetnx: [4, hsetnx, "grows"],
  hget: [3, (call) => bulkOrNil(call.encoding, hashAt(call)?.get(at(call, 2)))],
  hmget: [-3, hmget],
  hgetall: [
    2,
    (call) => call.encoding.map(entries(call).map(([field, value]) => [field, bulk(value)])),
  ],
  hkeys: [2, (call) => bulks(entries(call).map(([field]) => field))],
  hvals: [2, (call) => bulks(entries(call).map(([, value]) => value))],
  hlen: [2, (call) => integer(hashAt(call)?.size ?? 0)],
  hexists: [3, (call) => flag(hashAt(call)?.get(at(call, 2)) !== undefined)],
  hstrlen: [3, (call) => integer(hashAt(call)?.get(at(call, 2))?.length ?? 0)],
  hdel: [-3, hdel],
  hincrby: [4, hincrby, "grows"],
  hincrbyfloat: [4, hincrbyfloat, "grows"],
  hrandfield: [-2, hrandfield],
};

function hashAt(call: Call): HashValue | undefined {
  return call.db.find(at(call, 1), HashValue);
}

function entries(call: Call): [string, string][] {
  return hashAt(call)?.entries() ?? [];
}

function setFields(call: Call, command: string): number {
  if (call.args.length % 2 === 1) fail(wrongArity(command));
  const hash = call.db.ensure(at(call, 1), HashValue);
  return pairs(call, 2).filter(([field, value]) => hash.set(field, value)).length;
}

function hmset(call: Call): string {
  setFields(call, "hmset");
  return OK;
}

function hsetnx(call: Call): string {
  if (hashAt(call)?.get(at(call, 2)) !== undefined) return ZERO;
  return flag(call.db.ensure(at(call, 1), HashValue).set(at(call, 2), at(call, 3)));
}

function hmget(call: Call): string {
  const hash = hashAt(call);
  return array(from(call, 2).map((field) => bulkOrNil(call.encoding, hash?.get(field))));
}

function hdel(call: Call): string {
  const hash = hashAt(call);
  if (hash === undefined) return ZERO;
  const removed = from(call, 2).filter((field) => hash.delete(field)).length;
  call.db.dropIfEmpty(at(call, 1));
  return integer(removed);
}

function hincrby(call: Call): string {
  const by = integerArg(at(call, 3), NOT_INTEGER);
  const sum = sumIntegers(hashAt(call)?.get(at(call, 2)), by, "ERR hash value is not an integer");
  call.db.ensure(at(call, 1), HashValue).set(at(call, 2), String(sum));
  return integer(sum);
}

function hincrbyfloat(call: Call): string {
  const by = floatIncrement(at(call, 3), "ERR value is NaN or Infinity");
  const sum = sumFloats(hashAt(call)?.get(at(call, 2)), by, "ERR hash value is not a float");
  call.db.ensure(at(call, 1), HashValue).set(at(call, 2), sum);
  return bulk(sum);
}

function hrandfield(call: Call): string {
  const { count, withValues } = readSample(call, "WITHVALUES");
  const all = entries(call);
  if (count === null) return bulkOrNil(call.encoding, sample(all, 1)[0]?.[0]);
  const chosen = sample(all, count);
  if (!withValues) return bulks(chosen.map(([field]) => field));
  return call.encoding.pairs(chosen.map(([field, value]) => [bulk(field), bulk(value)]));
}
