import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Deadline, Deadlines } from "../../../src/base/deadlines.ts";

/** A clock and the one timer that may be armed, both the test's. */
class Clock {
  nowMs = 1000;
  timer: { atMs: number; fire: () => void } | null = null;
  /** Timers that were ever armed. */
  armed = 0;
  readonly deadlines: Deadlines = new Deadlines(
    () => this.nowMs,
    (delayMs, fire) => {
      if (this.timer !== null) throw new Error("there is a timer already");
      if (!(delayMs >= 1 && Number.isInteger(delayMs))) throw new Error(`a delay of ${delayMs}`);
      const timer = { atMs: this.nowMs + delayMs, fire };
      this.timer = timer;
      this.armed++;
      return () => {
        if (this.timer === timer) this.timer = null;
      };
    },
  );

  /** Time passes until `ms`, and the timer fires whenever it should. */
  reach(ms: number): void {
    while (this.timer !== null && this.timer.atMs <= ms) {
      const { atMs, fire } = this.timer;
      this.nowMs = atMs;
      this.timer = null;
      fire();
    }
    this.nowMs = ms;
  }
}

type Event =
  | { readonly kind: "set" | "setNoLater"; readonly which: number; readonly inMs: number }
  | { readonly kind: "cancel"; readonly which: number }
  | { readonly kind: "wait"; readonly ms: number };

const COUNT = 12;
const which = fc.nat({ max: COUNT - 1 });
const inMs = fc.oneof(
  fc.integer({ min: -5, max: 40 }),
  fc.double({ min: 0, max: 30, noNaN: true }),
);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("set" as const), which, inMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("setNoLater" as const), which, inMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.integer({ min: 1, max: 20 }),
    }),
  },
);

test("each comes once, never early, at most a millisecond late, and in order: as in a sorted list", () => {
  let came = 0;
  fc.assert(
    fc.property(fc.array(event, { maxLength: 150, size: "max" }), (events) => {
      const clock = new Clock();
      /** The model: when each is due. */
      const due = new Map<number, number>();
      let lastMs = Number.NEGATIVE_INFINITY;
      const all: Deadline[] = Array.from({ length: COUNT }, (_, index) =>
        clock.deadlines.create((nowMs) => {
          const atMs = due.get(index)!;
          expect(nowMs).toBe(clock.nowMs);
          expect(atMs).toBeLessThanOrEqual(nowMs);
          expect(atMs).toBe(Math.min(...due.values()));
          due.delete(index);
          lastMs = atMs;
          came++;
        }),
      );
      for (const each of events) {
        if (each.kind === "wait") {
          clock.reach(clock.nowMs + each.ms);
          // Those that were set to the past come a millisecond later, as all do.
          for (const atMs of due.values()) expect(atMs).toBeGreaterThan(clock.nowMs - 1);
        } else if (each.kind === "cancel") {
          all[each.which]!.cancel();
          due.delete(each.which);
        } else {
          const atMs = clock.nowMs + each.inMs;
          const old = due.get(each.which) ?? Number.POSITIVE_INFINITY;
          if (each.kind === "set") all[each.which]!.set(atMs);
          else all[each.which]!.setNoLater(atMs);
          due.set(each.which, each.kind === "set" ? atMs : Math.min(atMs, old));
        }
        expect(clock.deadlines.size).toBe(due.size);
        expect(clock.deadlines.nextMs).toBe(Math.min(...due.values()));
        for (const [index, { isSet }] of all.entries()) expect(isSet).toBe(due.has(index));
        // As long as one is set, a timer is: no later than that.
        if (due.size > 0)
          expect(clock.timer!.atMs).toBeLessThan(
            Math.max(clock.nowMs, Math.min(...due.values())) + 2,
          );
      }
      clock.reach(clock.nowMs + 1000);
      expect(due.size).toBe(0);
      expect(clock.timer).toBeNull();
      expect(lastMs).toBeLessThan(clock.nowMs);
    }),
    { numRuns: 300 },
  );
  expect(came).toBeGreaterThan(1000);
});

describe("the timer", () => {
  test("is not there when nothing can be late", () => {
    const clock = new Clock();
    const deadline = clock.deadlines.create(() => {});
    expect(clock.timer).toBeNull();
    deadline.set(1500);
    clock.reach(1501);
    expect([clock.timer, clock.armed]).toEqual([null, 1]);
  });

  test("is armed once for many that move to later times", () => {
    const clock = new Clock();
    const all = Array.from({ length: 1000 }, () => clock.deadlines.create(() => {}));
    for (const [index, deadline] of all.entries()) deadline.set(1100 + index);
    for (const deadline of all) deadline.set(5000);
    expect(clock.armed).toBe(1);
  });

  test("waits in parts for what is very far away", () => {
    const clock = new Clock();
    let isDue = false;
    const atMs = clock.nowMs + 1e10;
    clock.deadlines
      .create(() => {
        isDue = true;
      })
      .set(atMs);
    clock.reach(atMs - 1);
    expect(isDue).toBe(false);
    clock.reach(atMs);
    expect(isDue).toBe(true);
    expect(clock.armed).toBeGreaterThan(4);
  });

  test("is gone after the end", () => {
    const clock = new Clock();
    const deadline = clock.deadlines.create(() => {});
    deadline.set(1500);
    clock.deadlines.close();
    expect([clock.timer, deadline.isSet]).toEqual([null, false]);
  });
});

describe("what is due", () => {
  test("may set itself again, also to a time that has come: others are not kept waiting", () => {
    const clock = new Clock();
    const order: string[] = [];
    const again: Deadline = clock.deadlines.create((nowMs) => {
      order.push(`again ${nowMs}`);
      if (order.length < 4) again.set(nowMs);
    });
    const other = clock.deadlines.create((nowMs) => order.push(`other ${nowMs}`));
    again.set(1010);
    other.set(1010);
    clock.reach(1020);
    expect(order).toEqual(["again 1010", "other 1010", "again 1011", "again 1012"]);
  });

  test("may cancel and set others", () => {
    const clock = new Clock();
    const order: string[] = [];
    const never = clock.deadlines.create(() => order.push("never"));
    const sooner = clock.deadlines.create(() => order.push("sooner"));
    const first = clock.deadlines.create(() => {
      order.push("first");
      never.cancel();
      sooner.set(1030);
    });
    first.set(1010);
    never.set(1010.5);
    sooner.set(2000);
    clock.reach(1029);
    expect(order).toEqual(["first"]);
    clock.reach(1030);
    expect(order).toEqual(["first", "sooner"]);
    clock.reach(3000);
    expect(clock.deadlines.size).toBe(0);
  });
});
