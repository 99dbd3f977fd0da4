/** Meters give what their rate says, however often they are asked, and in which steps the clock goes. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Meter, SharedMeter } from "../../../src/client/meter.ts";

const bucket = { isWindow: false, burstMs: 100 };
const window = { isWindow: true, burstMs: 100 };

/** Takes whatever there is, one by one, in steps of the clock. @returns what was taken within so many milliseconds */
function drain(meter: Meter, startMs: number, steps: readonly number[]): number {
  let taken = 0;
  let nowMs = startMs;
  for (const step of steps) {
    nowMs += step;
    while (meter.available(nowMs) >= 1) {
      meter.take(1);
      taken++;
    }
  }
  return taken;
}

test("in any steps the rate is kept, beside what was saved up", () => {
  const steps = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 100, maxLength: 400 });
  const rate = fc.integer({ min: 5, max: 20_000 });
  fc.assert(
    fc.property(
      rate,
      steps,
      fc.boolean(),
      fc.integer({ max: 1e6, min: 0 }),
      (perSecond, all, isWindow, at) => {
        const meter = new Meter();
        meter.set(perSecond, isWindow ? window : bucket, at);
        const passedMs = all.reduce((sum, step) => sum + step, 0);
        const due = (perSecond * passedMs) / 1000;
        const taken = drain(meter, at, all);
        const part = perSecond * (isWindow ? 0.2 : 0.1) + 2;
        expect(taken).toBeLessThanOrEqual(due + part);
        // Of a step that is longer than a tick a part may be lost.
        expect(taken).toBeGreaterThanOrEqual(due - part);
      },
    ),
    { numRuns: 200 },
  );
});

test("in windows all of it comes at once, at their beginning", () => {
  const meter = new Meter();
  meter.set(100, window, 1000);
  expect(drain(meter, 1000, [0])).toBe(10);
  expect(drain(meter, 1000, [10, 10, 10, 60])).toBe(0);
  expect(drain(meter, 1095, [5])).toBe(10);
});

test("without a limit everything may be taken, and a limit may come and go", () => {
  const meter = new Meter();
  meter.take(1e9);
  expect(meter.available(5)).toBe(Number.POSITIVE_INFINITY);
  meter.set(10, bucket, 100);
  expect(drain(meter, 100, [0])).toBe(1);
  meter.set(1000, bucket, 100);
  expect(drain(meter, 100, [10])).toBe(10);
  meter.set(0, bucket, 110);
  expect(meter.available(110)).toBe(Number.POSITIVE_INFINITY);
});

test("what was taken too much is waited for", () => {
  const meter = new Meter();
  meter.set(1000, bucket, 0);
  meter.take(600);
  expect(meter.available(400)).toBe(-100);
  expect(meter.available(501)).toBe(1);
});

test("clients that wait come first, with equal parts", () => {
  const meter = new SharedMeter();
  meter.set(1000, bucket, 0);
  for (let i = 0; i < 4; i++) meter.wait();
  expect(meter.share(0, true)).toBe(25);
  expect(meter.share(0, false)).toBe(20);
  meter.take(99);
  expect(meter.share(0, true)).toBe(1);
  expect(meter.share(0, false)).toBeLessThan(1);
});
