import { expect, test } from "bun:test";
import fc from "fast-check";
import { TOKEN_MASK } from "../../../src/api/client-port.ts";
import { FAMILY, type Family } from "../../../src/api/latency.ts";
import type { MetricBlock } from "../../../src/api/metrics.ts";
import { ClientTimes } from "../../../src/client/client-times.ts";
import { PoolKeys } from "../../../src/client/pool-keys.ts";
import { RequestTape } from "../../../src/client/request-tape.ts";
import { SlowRequests } from "../../../src/client/slow-requests.ts";
import { Stamps } from "../../../src/client/stamps.ts";
import { BUCKETS, bucketOf, histogramFigures } from "../../../src/metrics/histogram.ts";

/** Tokens wrap around after a few. */
const START: number = TOKEN_MASK - 100;

function block(): MetricBlock {
  return { values: new Float64Array(1 + BUCKETS), base: 0 };
}

function noSlowRequests(): SlowRequests {
  return new SlowRequests({
    ...{ options: { name: "p" }, tape: new RequestTape(), schedule: () => () => {} },
    ...{ describe: () => null, hasRoom: () => false, tell() {} },
  });
}

function noKeys(): PoolKeys {
  return new PoolKeys({
    ...{ options: { name: "p" }, tape: new RequestTape(), schedule: () => () => {} },
    ...{ turn: { nowMs: 0 }, random: () => 0, describe: () => null, replyReader: null },
    ...{ serverOf: () => null, tell() {} },
  });
}

function rig() {
  const totalUs = Object.values(FAMILY).map(block);
  const sizes = { requestBytes: block(), replyBytes: block(), pipelineDepth: block() };
  const stamps = new Stamps(new ClientTimes({ totalUs, ...sizes }, noSlowRequests(), noKeys()));
  const countOf = (family: Family, us: number): number =>
    totalUs[family]!.values[1 + bucketOf(us)]!;
  const all = (): number =>
    totalUs.reduce(
      (sum, { values }) => sum + histogramFigures((offset) => values[offset]!).count,
      0,
    );
  return { stamps, countOf, all, replyBytes: sizes.replyBytes };
}

test("each request is measured once, from its own arrival, in its family", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("add" as const),
      count: fc.integer({ min: 1, max: 90 }),
      family: fc.constantFrom(...Object.values(FAMILY)),
      laterUs: fc.constantFrom(0, 0, 1, 5000),
    }),
    fc.record({ kind: fc.constant("pass" as const), count: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ kind: fc.constant("measure" as const), laterUs: fc.integer({ min: 0, max: 900 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const { stamps, countOf, all } = rig();
      // Of the session's ring: the oldest request that is not answered, and the one that is opened next. They wrap around.
      let first = START;
      let next = START;
      stamps.measure(START, 0);
      const waiting: { family: Family; atUs: number }[] = [];
      const passed: typeof waiting = [];
      let nowUs = 1_000_000;
      let measured = 0;
      for (const each of steps) {
        if (each.kind === "add") {
          nowUs += each.laterUs;
          // A whole number of microseconds may be a little less in milliseconds.
          stamps.arrivedAt(nowUs / 1000 + 1e-6, next);
          stamps.areOf(each.family, next);
          for (let i = 0; i < each.count; i++) {
            next = (next + 1) & TOKEN_MASK;
            waiting.push({ family: each.family, atUs: nowUs });
          }
        } else if (each.kind === "pass") {
          const some = waiting.splice(0, each.count);
          first = (first + some.length) & TOKEN_MASK;
          passed.push(...some);
        } else {
          nowUs += each.laterUs;
          stamps.measure(first, nowUs / 1000 + 1e-6);
          for (const { family, atUs } of passed.splice(0)) {
            measured += 1;
            expect(countOf(family, nowUs - atUs)).toBeGreaterThan(0);
          }
          expect(all()).toBe(measured);
        }
      }
    }),
  );
});

test("requests without an arrival are not measured, those that come behind them are", () => {
  const { stamps, countOf, all } = rig();
  stamps.areOf(FAMILY.read, 0);
  stamps.measure(1, 5);
  expect(all()).toBe(0);
  // One is awaited when the next arrives.
  stamps.arrivedAt(7, 2);
  stamps.areOf(FAMILY.write, 2);
  stamps.measure(3, 8);
  expect(all()).toBe(1);
  expect(countOf(FAMILY.write, 1000)).toBe(1);
});

test("replies count with the average of those that are written together", () => {
  const { stamps, replyBytes } = rig();
  stamps.arrivedAt(7, 0);
  stamps.replied(2, 30);
  stamps.replied(1, 60);
  stamps.measure(3, 8);
  expect(replyBytes.values[1 + bucketOf(30)]).toBe(3);
  expect(replyBytes.values[0]).toBe(90);
});
