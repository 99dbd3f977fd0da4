/**
 * Parts of a sorted set, by rank, by score or by member, as spans of ranks.
 *
 * A span is empty when `last < first`.
 */
import { fail } from "./command-error.ts";
import { parseDouble } from "./number.ts";
import type { Scored, SortedSetValue } from "./sorted-set-value.ts";

export interface Span {
  readonly first: number;
  readonly last: number;
}

/** Finds a part of a set; made from the command's texts before the key is looked at. */
export type FindSpan = (zset: SortedSetValue) => Span;

const NOT_SCORE = "ERR min or max is not a float";
const NOT_LEX = "ERR min or max not valid string range item";

/** Ranks count from the end when negative; `isReverse`: from the highest item. */
export function byRank(start: number, end: number, isReverse: boolean): FindSpan {
  return ({ size }) => {
    const first = Math.max(start < 0 ? size + start : start, 0);
    const last = Math.min(end < 0 ? size + end : end, size - 1);
    return isReverse ? { first: size - 1 - last, last: size - 1 - first } : { first, last };
  };
}

export function byScore(min: string, max: string): FindSpan {
  const [low, high] = [readScore(min), readScore(max)];
  return (zset) =>
    span(
      zset,
      ({ score }) => (low.isExclusive ? score > low.value : score >= low.value),
      ({ score }) => (high.isExclusive ? score >= high.value : score > high.value),
    );
}

/** By member; means something only when all scores are equal. */
export function byLex(min: string, max: string): FindSpan {
  const [low, high] = [readLex(min), readLex(max)];
  return (zset) =>
    span(
      zset,
      ({ member }) => comesAfter(member, low, low.isExclusive),
      ({ member }) => comesAfter(member, high, !high.isExclusive),
    );
}

function span(
  zset: SortedSetValue,
  isIn: (item: Scored) => boolean,
  isPast: (item: Scored) => boolean,
): Span {
  return { first: zset.firstWhere(isIn), last: zset.firstWhere(isPast) - 1 };
}

interface ScoreBound {
  readonly value: number;
  readonly isExclusive: boolean;
}

/** As C's strtod reads it: blanks before the number are skipped, nothing at all is 0, what is too large is infinite. */
function readScore(text: string): ScoreBound {
  const isExclusive = text.startsWith("(");
  const number = (isExclusive ? text.substring(1) : text).split("\0")[0] ?? "";
  if (number === "") return { value: 0, isExclusive };
  const trimmed = number.replace(/^[ \t\n\v\f\r]+/, "");
  const value = parseDouble(trimmed) ?? outOfRange(trimmed);
  if (value === null) fail(NOT_SCORE);
  return { value, isExclusive };
}

/** A decimal number too large or too small for a double: infinite, or 0. */
function outOfRange(text: string): number | null {
  return /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)e[+-]?[0-9]+$/i.test(text) ? Number(text) : null;
}

interface LexBound {
  readonly text: string;
  readonly kind: "lowest" | "highest" | "member";
  readonly isExclusive: boolean;
}

function readLex(text: string): LexBound {
  if (text === "-") return { text: "", kind: "lowest", isExclusive: false };
  if (text === "+") return { text: "", kind: "highest", isExclusive: false };
  const sign = text.charAt(0);
  if (sign !== "[" && sign !== "(") fail(NOT_LEX);
  return { text: text.substring(1), kind: "member", isExclusive: sign === "(" };
}

/** member > bound, or ≥ when it need not be strict. */
function comesAfter(member: string, bound: LexBound, isStrict: boolean): boolean {
  if (bound.kind !== "member") return bound.kind === "lowest";
  return isStrict ? member > bound.text : member >= bound.text;
}
