import { expect, test } from "bun:test";
import { CpuBudget } from "../../../src/admin/cpu-budget.ts";
import {
  ADMIN_ANSWERS_WAITING_MAX,
  ADMIN_CPU_BURST_MS,
  ADMIN_CPU_SHARE,
} from "../../../src/base/page-limits.ts";

/** Clocks that the test moves. */
function rig() {
  let [used, now] = [1_000, 5_000];
  const budget = new CpuBudget({ usedMs: () => used, nowMs: () => now });
  return {
    budget,
    use: (ms: number) => {
      used += ms;
    },
    pass: (ms: number) => {
      now += ms;
    },
    /** What was used beyond what was saved up and came since. */
    beyond: () => used - 1_000 - ADMIN_CPU_BURST_MS - (now - 5_000) * ADMIN_CPU_SHARE,
  };
}

test("what was saved up is used at once, then an answer waits until its share has come", () => {
  const { budget, use, pass } = rig();
  expect(budget.waitMs()).toBe(0);
  use(ADMIN_CPU_BURST_MS - 1);
  expect(budget.waitMs()).toBe(0);
  use(11);
  expect(budget.waitMs()).toBe(10 / ADMIN_CPU_SHARE + 1);
  pass(10 / ADMIN_CPU_SHARE);
  expect(budget.waitMs()).toBeGreaterThan(0);
  pass(1);
  expect(budget.waitMs()).toBe(0);
});

test("no more is saved up than the burst, however long nothing was asked", () => {
  const { budget, use, pass } = rig();
  pass(3_600_000);
  expect(budget.waitMs()).toBe(0);
  use(ADMIN_CPU_BURST_MS + 1);
  expect(budget.waitMs()).toBeGreaterThan(0);
});

test("a flood uses its share in the long run, and no more, and is served in order", async () => {
  const { budget, use, pass, beyond } = rig();
  const costMs = 2;
  const order: number[] = [];
  // Timers of the budget are those of the process: time passes by itself here, in steps.
  const clock = setInterval(() => pass(20), 1);
  await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      await budget.turn();
      order.push(index);
      use(costMs);
      expect(beyond()).toBeLessThanOrEqual(costMs);
    }),
  );
  clearInterval(clock);
  expect(order).toEqual(Array.from({ length: 300 }, (_, index) => index));
});

test("only so many wait: one more is told so, and those that wait get their turn", async () => {
  const { budget, use, pass } = rig();
  use(ADMIN_CPU_BURST_MS + 10);
  const waiting = Array.from({ length: ADMIN_ANSWERS_WAITING_MAX }, () => budget.turn());
  expect(await budget.turn()).toBe(false);
  pass(10 / ADMIN_CPU_SHARE + 10);
  expect(new Set(await Promise.all(waiting))).toEqual(new Set([true]));
});

test("however much was used, an answer waits no longer than until a burst is made up for", () => {
  const { budget, use, pass } = rig();
  use(3_600_000);
  const waitMs = budget.waitMs();
  expect(waitMs).toBeLessThanOrEqual(ADMIN_CPU_BURST_MS / ADMIN_CPU_SHARE + 1);
  pass(waitMs);
  expect(budget.waitMs()).toBe(0);
});
