/** What commands that choose at random have in common: their arguments, and the choice. */

import { INT64_MAX, INT64_MIN } from "../../protocols/redis/codec/integer.ts";
import { at, type Call } from "./command.ts";
import { fail, SYNTAX } from "./command-error.ts";
import { integerArg } from "./number.ts";

export interface SampleOptions {
  /** null: one item, not an array. */
  readonly count: number | null;
  readonly withValues: boolean;
}

/** Reads `key [count [option]]`, where `option` (upper case) asks for the items' values too. */
export function readSample(call: Call, option: string): SampleOptions {
  if (call.args.length < 3) return { count: null, withValues: false };
  const count = countArg(at(call, 2));
  if (call.args.length === 3) return { count, withValues: false };
  if (call.args.length > 4 || at(call, 3).toUpperCase() !== option) fail(SYNTAX);
  if (Math.abs(count) > WITH_VALUES_MAX) fail("ERR value is out of range");
  return { count, withValues: true };
}

const WITH_VALUES_MAX = Number(INT64_MAX / 2n);

/** How many random items are wanted; a negative number allows repetition. */
export function countArg(text: string): number {
  const value = integerArg(text);
  if (value === INT64_MIN) {
    fail(`ERR value is out of range, value must between ${-INT64_MAX} and ${INT64_MAX}`);
  }
  return Number(value);
}

/** Random choices: up to `count` different items, or exactly -count with repetition when `count` is negative. */
export function sample<T>(items: readonly T[], count: number): T[] {
  if (items.length === 0) return [];
  if (count < 0) return Array.from({ length: Math.min(-count, REPEATED_MAX) }, () => pick(items));
  if (count === 1) return [pick(items)];
  const pool = [...items];
  const wanted = Math.min(count, pool.length);
  for (let i = 0; i < wanted; i += 1) {
    const j = i + Math.floor(Math.random() * (pool.length - i));
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  pool.length = wanted;
  return pool;
}

/** Bounds the reply of a repeated choice. */
const REPEATED_MAX = 1_000_000;

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}
