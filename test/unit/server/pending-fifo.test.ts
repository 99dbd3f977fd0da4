import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ReplySink } from "../../../src/api/upstream.ts";
import { PendingFifo } from "../../../src/server/pending-fifo.ts";
import type { ServerTimes } from "../../../src/server/server-times.ts";

const SINKS: ReplySink[] = Array.from({ length: 3 }, () => ({
  takesRuns: true,
  onReplies() {},
  onFailure() {},
}));

interface Waiting {
  /** Null: told of a timeout. */
  sink: ReplySink | null;
  readonly token: number;
  readonly queuedAtMs: number;
  readonly offset: number;
}

const step = fc.oneof(
  {
    weight: 60,
    arbitrary: fc.record({
      kind: fc.constant("push" as const),
      sink: fc.integer({ min: 0, max: 2 }),
      count: fc.integer({ min: 1, max: 20 }),
      laterMs: fc.integer({ min: 0, max: 5 }),
    }),
  },
  {
    weight: 60,
    arbitrary: fc.record({
      kind: fc.constant("shift" as const),
      count: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("expire" as const),
      agoMs: fc.integer({ min: 0, max: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drain" as const) }) },
);

test("PendingFifo is a list of requests", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
      // Owned by the fifo's user: set when the fifo says so, looked at when due.
      let deadlineOfMs = Number.POSITIVE_INFINITY;
      const fifo = new PendingFifo(() => {
        deadlineOfMs = Math.min(deadlineOfMs, fifo.oldestMs);
      });
      let model: Waiting[] = [];
      let nowMs = 0;
      let tokens = 0;
      const told: [ReplySink, number][] = [];
      const tell = (sink: ReplySink, token: number, count: number): void => {
        for (let i = 0; i < count; i++) told.push([sink, token + i]);
      };
      const expected: [ReplySink, number][] = [];
      for (const each of steps) {
        if (each.kind === "push") {
          nowMs += each.laterMs;
          const offset = tokens * 10;
          fifo.push(SINKS[each.sink]!, tokens, each.count, nowMs, offset);
          for (let i = 0; i < each.count; i++) {
            const sink = SINKS[each.sink]!;
            model.push({ sink, token: tokens++, queuedAtMs: nowMs, offset });
          }
        } else if (each.kind === "shift") {
          for (let i = 0; i < each.count && model.length > 0; i++) {
            const { sink, token, offset } = model.shift()!;
            expect([fifo.sink, fifo.token, fifo.offset]).toEqual([sink, token, offset]);
            fifo.shift();
          }
        } else {
          const limitMs = each.kind === "drain" ? Number.POSITIVE_INFINITY : nowMs - each.agoMs;
          const due = model.filter((one) => one.sink !== null && one.queuedAtMs <= limitMs);
          for (const one of due) {
            expected.push([one.sink!, one.token]);
            one.sink = null;
          }
          if (each.kind === "drain") {
            fifo.drain(tell);
            model = [];
          } else {
            expect(fifo.expire(nowMs, nowMs - limitMs, tell)).toBe(due.length);
            deadlineOfMs = fifo.oldestMs;
          }
          expect(told).toEqual(expected);
        }
        expect(fifo.size).toBe(model.length);
        const oldest = model.find(({ sink }) => sink !== null);
        expect(fifo.oldestMs).toBe(oldest?.queuedAtMs ?? Number.POSITIVE_INFINITY);
        expect(deadlineOfMs).toBeLessThanOrEqual(fifo.oldestMs);
      }
    }),
    { numRuns: 150 },
  );
});

test("times are measured from a run's queueing to its sending, and from there to each reply", () => {
  const sent: [number, number][] = [];
  const answered: [number, number][] = [];
  const times = {
    sent: (tookMs: number, count: number) => sent.push([tookMs, count]),
    answered: (tookMs: number, count: number) => answered.push([tookMs, count]),
    slow: { noteMs: Number.POSITIVE_INFINITY, noted: null },
  } as unknown as ServerTimes;
  const fifo = new PendingFifo(() => {}, times);
  const sink = SINKS[0]!;
  fifo.push(sink, 0, 3, 100, 0);
  fifo.push(sink, 3, 2, 100, 30);
  fifo.push(sink, 5, 1, 104, 50);
  // Only the first two runs have left.
  fifo.noteSent(50, 110);
  expect(sent).toEqual([[10, 5]]);
  fifo.noteSent(50, 111);
  fifo.noteSent(60, 120);
  expect(sent).toEqual([
    [10, 5],
    [16, 1],
  ]);
  fifo.heardMs = 130;
  fifo.shift();
  fifo.measure();
  fifo.heardMs = 150;
  for (let i = 0; i < 5; i++) fifo.shift();
  fifo.measure();
  fifo.measure();
  expect(answered).toEqual([
    [20, 1],
    [40, 4],
    [30, 1],
  ]);
  // The proxy's own question counts as no request.
  fifo.pushQuestion(200, 60);
  fifo.noteSent(70, 201);
  fifo.heardMs = 210;
  fifo.shift();
  fifo.measure();
  expect([sent.length, answered.length]).toEqual([2, 3]);
});
