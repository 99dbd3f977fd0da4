/** A SegmentedSet is a Set whose tables stay small. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SegmentedSet } from "../../../src/base/segmented-set.ts";

const SEGMENT_MAX = 8192;

function segmentsOf(set: SegmentedSet<number>): Set<number>[] {
  return (set as unknown as { segments: Set<number>[] }).segments;
}

test("has the members of a Set, whatever is added and removed", () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(40_000), fc.nat(12_000)), { maxLength: 12 });
  fc.assert(
    fc.property(steps, (ranges) => {
      const set = new SegmentedSet<number>();
      const model = new Set<number>();
      for (const [isAdded, from, count] of ranges) {
        for (let member = from; member < from + count; member++) {
          if (!isAdded) expect(set.delete(member)).toBe(model.delete(member));
          else if (!model.has(member)) {
            set.add(member);
            model.add(member);
          }
        }
      }
      expect(set.size).toBe(model.size);
      expect([...set].sort((a, b) => a - b)).toEqual([...model].sort((a, b) => a - b));
    }),
    { numRuns: 30 },
  );
});

test("no table grows beyond a segment, and members that come and go leave few of them", () => {
  const set = new SegmentedSet<number>();
  for (let member = 0; member < 40 * SEGMENT_MAX; member++) {
    set.add(member);
    const old = member - 5000;
    if (old % 1000 !== 0) set.delete(old);
  }
  const segments = segmentsOf(set);
  expect(Math.max(...segments.map(({ size }) => size))).toBeLessThanOrEqual(SEGMENT_MAX);
  expect(segments.length).toBeLessThanOrEqual(2 + (2 * set.size) / SEGMENT_MAX);
});
