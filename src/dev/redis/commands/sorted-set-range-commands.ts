/** Sorted sets: reading, counting and removing ranges. */
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { scored } from "../encoding.ts";
import { numberArg } from "../number.ts";
import { bulks, EMPTY_ARRAY, integer, ZERO } from "../reply.ts";
import { byLex, byRank, byScore, type FindSpan } from "../sorted-set-range.ts";
import type { Scored } from "../sorted-set-value.ts";
import { zsetAt } from "./sorted-set-commands.ts";

const LIMIT_BY_RANK =
  "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
const SCORES_BY_LEX = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";

type Kind = "rank" | "score" | "lex";

export const SORTED_SET_RANGE_COMMANDS: CommandTable = {
  zrange: [-4, (call) => range(call, readRange(call, null, null))],
  zrevrange: [-4, (call) => range(call, readRange(call, "rank", true))],
  zrangebyscore: [-4, (call) => range(call, readRange(call, "score", false))],
  zrevrangebyscore: [-4, (call) => range(call, readRange(call, "score", true))],
  zrangebylex: [-4, (call) => range(call, readRange(call, "lex", false))],
  zrevrangebylex: [-4, (call) => range(call, readRange(call, "lex", true))],
  zcount: [4, (call) => count(call, byScore(at(call, 2), at(call, 3)))],
  zlexcount: [4, (call) => count(call, byLex(at(call, 2), at(call, 3)))],
  zremrangebyrank: [4, (call) => remove(call, rankSpan(call, false))],
  zremrangebyscore: [4, (call) => remove(call, byScore(at(call, 2), at(call, 3)))],
  zremrangebylex: [4, (call) => remove(call, byLex(at(call, 2), at(call, 3)))],
};

/** What to read. The command's name says kind and direction already, or they are null and its options may. */
interface RangeOptions {
  kind: Kind | null;
  isReverse: boolean | null;
  withScores: boolean;
  offset: number;
  /** -1: no limit; so does any other negative number. */
  limit: number;
}

function readRange(call: Call, kind: Kind | null, isReverse: boolean | null): RangeOptions {
  const options = from(call, 4);
  const result: RangeOptions = { kind, isReverse, withScores: false, offset: 0, limit: -1 };
  for (let i = 0; i < options.length; i += 1) {
    const name = (options[i] ?? "").toUpperCase();
    if (name === "WITHSCORES") {
      result.withScores = true;
    } else if (name === "LIMIT" && options.length - i > 2) {
      result.offset = numberArg(options[i + 1] ?? "");
      result.limit = numberArg(options[i + 2] ?? "");
      i += 2;
    } else {
      readDirection(name, result);
    }
  }
  result.kind ??= "rank";
  if (result.limit !== -1 && result.kind === "rank") fail(LIMIT_BY_RANK);
  if (result.withScores && result.kind === "lex") fail(SCORES_BY_LEX);
  return result;
}

/** REV, BYLEX and BYSCORE: each only where it is still open. */
function readDirection(name: string, result: RangeOptions): void {
  if (name === "REV" && result.isReverse === null) result.isReverse = true;
  else if (name === "BYLEX" && result.kind === null) result.kind = "lex";
  else if (name === "BYSCORE" && result.kind === null) result.kind = "score";
  else fail(SYNTAX);
}

function rankSpan(call: Call, isReverse: boolean): FindSpan {
  return byRank(numberArg(at(call, 2)), numberArg(at(call, 3)), isReverse);
}

function range(call: Call, options: RangeOptions): string {
  const find = findSpan(call, options);
  const zset = zsetAt(call);
  if (zset === undefined) return EMPTY_ARRAY;
  const { first, last } = find(zset);
  let items = zset.range(first, last);
  if (options.isReverse === true) items.reverse();
  if (options.kind !== "rank") items = limited(items, options);
  return options.withScores
    ? scored(call.encoding, items)
    : bulks(items.map(({ member }) => member));
}

function findSpan(call: Call, { kind, isReverse }: RangeOptions): FindSpan {
  if (kind === "rank") return rankSpan(call, isReverse === true);
  const [min, max] = isReverse === true ? [at(call, 3), at(call, 2)] : [at(call, 2), at(call, 3)];
  return kind === "score" ? byScore(min, max) : byLex(min, max);
}

function limited(items: Scored[], { offset, limit }: RangeOptions): Scored[] {
  if (offset < 0) return [];
  const end = limit < 0 ? items.length : offset + limit;
  return items.filter((_, index) => index >= offset && index < end);
}

function count(call: Call, find: FindSpan): string {
  const zset = zsetAt(call);
  if (zset === undefined) return ZERO;
  const { first, last } = find(zset);
  return integer(Math.max(last - first + 1, 0));
}

function remove(call: Call, find: FindSpan): string {
  const zset = zsetAt(call);
  if (zset === undefined) return ZERO;
  const { first, last } = find(zset);
  const items = zset.range(first, last);
  for (const { member } of items) zset.delete(member);
  call.db.dropIfEmpty(at(call, 1));
  return integer(items.length);
}
