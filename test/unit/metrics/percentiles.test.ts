import { expect, test } from "bun:test";
import fc from "fast-check";
import type { HistogramFigures } from "../../../src/api/stats.ts";
import { BUCKETS, histogramFigures, observe } from "../../../src/metrics/histogram.ts";
import { added, nameOfShare, percentile, since } from "../../../src/metrics/percentiles.ts";

function figuresOf(observed: readonly number[]): HistogramFigures {
  const values = new Float64Array(1 + BUCKETS);
  for (const value of observed) observe(values, 0, value);
  return histogramFigures((offset) => values[offset]!);
}

const anyValues = fc.array(fc.integer({ min: 0, max: 60_000_000 }), { minLength: 1 });

test("a percentile differs from the true one by at most 1.6 %", () => {
  fc.assert(
    fc.property(anyValues, fc.double({ min: 0.001, max: 1, noNaN: true }), (values, share) => {
      const sorted = values.toSorted((a, b) => a - b);
      const truth = sorted[Math.max(1, Math.ceil(values.length * share)) - 1]!;
      const told = percentile(figuresOf(values), share);
      expect(Math.abs(told - truth)).toBeLessThanOrEqual(truth / 64);
    }),
  );
});

test("nothing has no percentile", () => {
  expect(percentile(figuresOf([]), 0.5)).toBe(0);
});

test("histograms are added, and taken apart again", () => {
  fc.assert(
    fc.property(anyValues, anyValues, (first, second) => {
      const both = added(figuresOf(first), figuresOf(second));
      expect(both).toEqual(figuresOf([...first, ...second]));
      expect(since(both, figuresOf(first))).toEqual(figuresOf(second));
    }),
  );
});

test("names of percentiles", () => {
  expect([0.5, 0.95, 0.999, 1].map(nameOfShare)).toEqual(["p50", "p95", "p99.9", "max"]);
});
