/** What a histogram says in few numbers. */
import type { HistogramFigures } from "../api/stats.ts";
import { bucketOf, smallestIn } from "./histogram.ts";

/** Those that are shown. 1 is the largest. */
export const SHOWN_SHARES: readonly number[] = [0.5, 0.9, 0.95, 0.98, 0.99, 0.999, 1];

/** "p50", "p99.9", "max" */
export function nameOfShare(share: number): string {
  return share === 1 ? "max" : `p${Number((share * 100).toFixed(3))}`;
}

/**
 * The value that a share of all observed values does not exceed, in the histogram's unit: the middle of its bucket, so it is wrong by
 * at most 1.6 %. 0: nothing was observed.
 * @param share above 0, up to 1
 */
export function percentile({ count, buckets }: HistogramFigures, share: number): number {
  const rank = Math.max(1, Math.ceil(count * share));
  let seen = 0;
  for (const [largest, observed] of buckets) {
    seen += observed;
    if (seen >= rank) return middleOf(largest);
  }
  return 0;
}

function middleOf(largest: number): number {
  return (smallestIn(bucketOf(largest)) + largest) / 2;
}

/** Both together. */
export function added(a: HistogramFigures, b: HistogramFigures): HistogramFigures {
  return combined(a, b, 1);
}

/** What came since `before`, of a histogram that has only grown. */
export function since(now: HistogramFigures, before: HistogramFigures): HistogramFigures {
  return combined(now, before, -1);
}

function combined(a: HistogramFigures, b: HistogramFigures, sign: 1 | -1): HistogramFigures {
  const counts = new Map(a.buckets);
  for (const [largest, observed] of b.buckets) {
    counts.set(largest, Math.max(0, (counts.get(largest) ?? 0) + sign * observed));
  }
  const buckets = [...counts].filter(([, observed]) => observed > 0).sort(([x], [y]) => x - y);
  const count = buckets.reduce((sum, [, observed]) => sum + observed, 0);
  return { count, sum: Math.max(0, a.sum + sign * b.sum), buckets };
}
