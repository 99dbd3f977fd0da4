/** Sorted sets: members and scores. */
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { bulkOrNil, doubleOrNil, scored } from "../encoding.ts";
import { doubleArg, positiveArg } from "../number.ts";
import { array, bulk, bulks, EMPTY_ARRAY, integer, ZERO } from "../reply.ts";
import { readSample, sample } from "../sample.ts";
import { SortedSetValue } from "../sorted-set-value.ts";

export const SORTED_SET_COMMANDS: CommandTable = {
  zadd: [-4, zadd, "grows"],
  zincrby: [4, zincrby, "grows"],
  zrem: [-3, zrem],
  zcard: [2, (call) => integer(zsetAt(call)?.size ?? 0)],
  zscore: [3, (call) => doubleOrNil(call.encoding, zsetAt(call)?.score(at(call, 2)))],
  zmscore: [-3, zmscore],
  zrank: [3, (call) => rank(call, false)],
  zrevrank: [3, (call) => rank(call, true)],
  zpopmin: [-2, (call) => pop(call, false)],
  zpopmax: [-2, (call) => pop(call, true)],
  zrandmember: [-2, zrandmember],
};

export function zsetAt(call: Call): SortedSetValue | undefined {
  return call.db.find(at(call, 1), SortedSetValue);
}

type Outcome = "added" | "updated" | "kept" | "refused";

interface AddOptions {
  readonly flags: ReadonlySet<string>;
  /** Index of the first score in the request. */
  readonly start: number;
}

function readAddOptions(call: Call): AddOptions {
  const flags = new Set<string>();
  let start = 2;
  for (; start < call.args.length; start += 1) {
    const name = at(call, start).toUpperCase();
    if (!["NX", "XX", "GT", "LT", "CH", "INCR"].includes(name)) break;
    flags.add(name);
  }
  const count = call.args.length - start;
  if (count === 0 || count % 2 === 1) fail(SYNTAX);
  if (flags.has("NX") && flags.has("XX")) {
    fail("ERR XX and NX options at the same time are not compatible");
  }
  if (["GT", "LT", "NX"].filter((name) => flags.has(name)).length > 1) {
    fail("ERR GT, LT, and/or NX options at the same time are not compatible");
  }
  if (flags.has("INCR") && count > 2) {
    fail("ERR INCR option supports a single increment-element pair");
  }
  return { flags, start };
}

function zadd(call: Call): string {
  const { flags, start } = readAddOptions(call);
  const items: { member: string; score: number }[] = [];
  for (let i = start; i < call.args.length; i += 2) {
    items.push({ member: at(call, i + 1), score: doubleArg(at(call, i)) });
  }
  const existing = zsetAt(call);
  if (existing === undefined && flags.has("XX"))
    return flags.has("INCR") ? call.encoding.nil : ZERO;
  const zset = existing ?? call.db.ensure(at(call, 1), SortedSetValue);
  const outcomes = items.map(({ member, score }) => addOne(zset, member, score, flags));
  if (flags.has("INCR")) {
    return outcomes[0] === "refused"
      ? call.encoding.nil
      : doubleOrNil(call.encoding, zset.score(items[0]?.member ?? ""));
  }
  const counted: Outcome[] = flags.has("CH") ? ["added", "updated"] : ["added"];
  return integer(outcomes.filter((outcome) => counted.includes(outcome)).length);
}

function addOne(
  zset: SortedSetValue,
  member: string,
  score: number,
  flags: ReadonlySet<string>,
): Outcome {
  const old = zset.score(member);
  if (old === undefined) {
    if (flags.has("XX")) return "refused";
    zset.set(member, score);
    return "added";
  }
  if (flags.has("NX")) return "refused";
  const next = flags.has("INCR") ? old + score : score;
  if (Number.isNaN(next)) fail("ERR resulting score is not a number (NaN)");
  if ((flags.has("LT") && next >= old) || (flags.has("GT") && next <= old)) return "refused";
  if (next === old) return "kept";
  zset.set(member, next);
  return "updated";
}

function zincrby(call: Call): string {
  const increment = doubleArg(at(call, 2));
  const zset = call.db.ensure(at(call, 1), SortedSetValue);
  addOne(zset, at(call, 3), increment, new Set(["INCR"]));
  return doubleOrNil(call.encoding, zset.score(at(call, 3)));
}

function zrem(call: Call): string {
  const zset = zsetAt(call);
  if (zset === undefined) return ZERO;
  const removed = from(call, 2).filter((member) => zset.delete(member)).length;
  call.db.dropIfEmpty(at(call, 1));
  return integer(removed);
}

function zmscore(call: Call): string {
  const zset = zsetAt(call);
  return array(from(call, 2).map((member) => doubleOrNil(call.encoding, zset?.score(member))));
}

function rank(call: Call, isReverse: boolean): string {
  const zset = zsetAt(call);
  const ascending = zset?.rank(at(call, 2));
  if (zset === undefined || ascending === undefined) return call.encoding.nil;
  return integer(isReverse ? zset.size - 1 - ascending : ascending);
}

function pop(call: Call, isMax: boolean): string {
  if (call.args.length > 3) fail(SYNTAX);
  const count = call.args.length === 3 ? positiveArg(at(call, 2)) : 1;
  const zset = zsetAt(call);
  if (zset === undefined) return EMPTY_ARRAY;
  const taken = Math.min(count, zset.size);
  const items = isMax
    ? zset.range(zset.size - taken, zset.size - 1).reverse()
    : zset.range(0, taken - 1);
  for (const { member } of items) zset.delete(member);
  call.db.dropIfEmpty(at(call, 1));
  const [only] = items;
  // Without a count RESP3 answers one flat pair, with one an array of pairs.
  if (call.args.length === 2 && only !== undefined) {
    return array([bulk(only.member), call.encoding.double(only.score)]);
  }
  return scored(call.encoding, items);
}

function zrandmember(call: Call): string {
  const { count, withValues } = readSample(call, "WITHSCORES");
  const zset = zsetAt(call);
  const all = zset?.range(0, zset.size - 1) ?? [];
  if (count === null) return bulkOrNil(call.encoding, sample(all, 1)[0]?.member);
  const chosen = sample(all, count);
  return withValues ? scored(call.encoding, chosen) : bulks(chosen.map(({ member }) => member));
}
