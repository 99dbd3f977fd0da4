/**
 * A histogram in a block of the shared memory: how often whole numbers of which size were observed.
 *
 *   values[base]                     sum of all that was observed
 *   values[base + 1 + bucketOf(n)]   how often something of the size of n was
 *
 * Buckets are log-linear and always the same: one for each number below 64, then 32 for each power of two, so the middle of a
 * bucket differs from the numbers in it by at most 1.6 %. They reach to 2^32 - 1 (in microseconds: more than an hour), and what
 * is larger counts as that. To observe takes two to three times as long as a plain counter (18 ns and 7 ns with changing numbers).
 */
import type { HistogramFigures } from "../api/stats.ts";

/** Numbers of so many bits have a bucket each; each power of two above has half as many. */
const EXACT_BITS = 6;
const HALF_BITS: number = EXACT_BITS - 1;
const LARGEST: number = 2 ** 32 - 1;
export const BUCKETS: number = bucketOf(LARGEST) + 1;

/** @param value a whole number from 0 to 2^32 - 1 */
export function bucketOf(value: number): number {
  const bits = 32 - Math.clz32(value);
  const shift = bits > EXACT_BITS ? bits - EXACT_BITS : 0;
  return (shift << HALF_BITS) + (value >>> shift);
}

/** The largest number that belongs to a bucket. */
export function largestIn(bucket: number): number {
  const shift = Math.max(0, (bucket >> HALF_BITS) - 1);
  return (bucket - shift * 2 ** HALF_BITS + 1) * 2 ** shift - 1;
}

/**
 * @param value a whole number; what is below 0 (a clock went back) counts as 0
 * @param count so often it was observed
 */
export function observe(values: Float64Array, base: number, value: number, count = 1): void {
  const within = value > LARGEST ? LARGEST : value >= 0 ? value : 0;
  values[base]! += within * count;
  values[base + 1 + bucketOf(within)]! += count;
}

/** The smallest number that belongs to a bucket. */
export function smallestIn(bucket: number): number {
  return bucket === 0 ? 0 : largestIn(bucket - 1) + 1;
}

/** @param valueAt gives a block's values by their offset, over all workers */
export function histogramFigures(valueAt: (offset: number) => number): HistogramFigures {
  const buckets: [number, number][] = [];
  let count = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const observed = valueAt(1 + bucket);
    if (observed === 0) continue;
    count += observed;
    buckets.push([largestIn(bucket), observed]);
  }
  return { count, sum: valueAt(0), buckets };
}
