import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  BUCKETS,
  bucketOf,
  histogramFigures,
  largestIn,
  observe,
  smallestIn,
} from "../../../src/metrics/histogram.ts";

const LARGEST = 2 ** 32 - 1;
const anyValue = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 0, max: LARGEST }),
  fc.integer({ min: 0, max: 31 }).map((bit) => 2 ** bit),
);

test("every number belongs to one bucket, whose middle differs from it by at most 1.6 %", () => {
  expect(bucketOf(0)).toBe(0);
  expect(bucketOf(LARGEST)).toBe(BUCKETS - 1);
  expect(largestIn(BUCKETS - 1)).toBe(LARGEST);
  fc.assert(
    fc.property(anyValue, (value) => {
      const bucket = bucketOf(value);
      const least = bucket === 0 ? 0 : largestIn(bucket - 1) + 1;
      expect(least).toBeLessThanOrEqual(value);
      expect(largestIn(bucket)).toBeGreaterThanOrEqual(value);
      const middle = (least + largestIn(bucket)) / 2;
      expect(Math.abs(middle - value)).toBeLessThanOrEqual(value / 64);
      expect(smallestIn(bucket)).toBe(least);
    }),
  );
});

test("what was observed is counted, and added up", () => {
  const base = 3;
  const values = new Float64Array(base + 1 + BUCKETS + 1);
  for (const value of [0, 0, 7, 100, 2 ** 40, -5, Number.NaN]) observe(values, base, value);
  const figures = histogramFigures((offset) => values[base + offset]!);
  expect(figures).toEqual({
    count: 7,
    sum: 107 + LARGEST,
    buckets: [
      [0, 4],
      [7, 1],
      [101, 1],
      [LARGEST, 1],
    ],
  });
  observe(values, base, 100, 41);
  expect(histogramFigures((offset) => values[base + offset]!).buckets[2]).toEqual([101, 42]);
  expect(values[base - 1]).toBe(0);
  expect(values.at(-1)).toBe(0);
});
