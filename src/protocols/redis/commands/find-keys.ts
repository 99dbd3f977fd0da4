/** Where the keys of a request stand, by the command's key specs (Redis's db.c, getKeysUsingKeySpecs). */

import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "./command.ts";
import type { KeySpec } from "./command-facts.ts";

/**
 * Writes the argument indexes of all keys to `into` and returns how many there are, or -1 when the request is not
 * one from which they can be told (a key count that is no number or too large).
 */
export function findKeys(command: Command, view: RequestView, into: number[]): number {
  into.length = 0;
  if (command.name === "SORT") return findSortKeys(view, into);
  const options = RADIUS_OPTIONS[command.name];
  if (options !== undefined) return findRadiusKeys(view, options, into);
  for (const spec of command.keySpecs) {
    if (!findBySpec(spec, view, into)) return -1;
  }
  return into.length;
}

function findBySpec(spec: KeySpec, view: RequestView, into: number[]): boolean {
  if (spec.from === "count") return findByCount(spec, view, into);
  let first: number;
  if (spec.from === "index") {
    first = spec.index;
  } else {
    const keyword = findKeyword(view, spec.keyword, spec.searchFrom);
    if (keyword < 0) return true;
    first = keyword + 1;
  }
  const last = lastKey(first, spec, view.count);
  for (let i = first; i <= last && i < view.count; i += spec.step) into.push(i);
  return true;
}

/** Where the options begin. */
const RADIUS_OPTIONS: Readonly<Record<string, number>> = { GEORADIUS: 6, GEORADIUSBYMEMBER: 5 };

/** GEORADIUS key … [STORE destination] [STOREDIST destination]: the last of both counts (geo.c, georadiusGeneric). */
function findRadiusKeys(view: RequestView, options: number, into: number[]): number {
  let destination = -1;
  for (let i = options; i + 1 < view.count; i++) {
    const option = view.text(i).toUpperCase();
    if (option === "STORE" || option === "STOREDIST") destination = ++i;
  }
  into.push(1);
  if (destination > 0) into.push(destination);
  return into.length;
}

/** Arguments that follow an option of SORT, which may look like options themselves. */
const SORT_OPTIONS: Readonly<Record<string, number>> = { LIMIT: 2, BY: 1, GET: 1, STORE: 1 };

/** SORT key … [STORE destination]: the last STORE counts (sort.c, sortCommandGeneric). */
function findSortKeys(view: RequestView, into: number[]): number {
  let destination = -1;
  for (let i = 2; i < view.count; i++) {
    const option = view.text(i).toUpperCase();
    if (option === "STORE" && i + 1 < view.count) destination = i + 1;
    i += SORT_OPTIONS[option] ?? 0;
  }
  into.push(1);
  if (destination > 0) into.push(destination);
  return into.length;
}

function findByCount(
  spec: KeySpec & { from: "count" },
  view: RequestView,
  into: number[],
): boolean {
  const at = spec.index + spec.countIndex;
  if (at >= view.count) return false;
  const count = keyCount(view, at);
  if (count < 0) return false;
  const first = spec.index + spec.firstKey;
  if (first + (count - 1) * spec.step >= view.count) return false;
  for (let i = 0; i < count; i++) into.push(first + i * spec.step);
  return true;
}

const DIGITS_MAX = 9;
const ZERO = 0x30;

/** Argument `at` as a number; -1 for one that is negative, not as short as could be, or far too large. */
function keyCount(view: RequestView, at: number): number {
  const from = view.from(at);
  const to = view.to(at);
  if (to === from || to - from > DIGITS_MAX) return -1;
  let count = 0;
  for (let i = from; i < to; i++) {
    const digit = view.bytes[i]! - ZERO;
    if (digit < 0 || digit > 9 || (digit === 0 && i === from && to > from + 1)) return -1;
    count = count * 10 + digit;
  }
  return count;
}

function lastKey(
  first: number,
  spec: { readonly last: number; readonly limit: number },
  count: number,
): number {
  if (spec.last >= 0) return first + spec.last;
  if (spec.limit <= 1) return count + spec.last;
  return first + Math.floor((count - first) / spec.limit) + spec.last;
}

/** Argument index of `keyword` (any case), looked for from `searchFrom` on; backwards if that is negative; -1: none. */
export function findKeyword(view: RequestView, keyword: string, searchFrom: number): number {
  const step = searchFrom < 0 ? -1 : 1;
  for (
    let i = searchFrom < 0 ? view.count + searchFrom : searchFrom;
    i > 0 && i < view.count;
    i += step
  ) {
    if (view.to(i) - view.from(i) === keyword.length && view.text(i).toUpperCase() === keyword)
      return i;
  }
  return -1;
}
