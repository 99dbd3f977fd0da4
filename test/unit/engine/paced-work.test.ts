import { expect, test } from "bun:test";
import { PACED_TASKS_MIN, PACED_TURN_MS } from "../../../src/base/fairness-limits.ts";
import { type PacedTask, PacedWork } from "../../../src/engine/uring/paced-work.ts";

/** Each piece of work takes `eachMs`. */
function rig(eachMs: number): {
  work: PacedWork;
  add: (name: string) => void;
  done: string[];
  clock: { ms: number };
} {
  const clock = { ms: 100 };
  const done: string[] = [];
  const work = new PacedWork(() => clock.ms);
  const add = (name: string): void =>
    work.add({
      goOn() {
        clock.ms += eachMs;
        done.push(name);
      },
    });
  return { work, add, done, clock };
}

test("much work is done in the order in which it came, some of it in each turn", () => {
  const { work, add, done, clock } = rig(PACED_TURN_MS / 100);
  for (let i = 0; i < 250; i++) add(`${i}`);
  work.run(clock.ms);
  expect(done.length).toBeGreaterThanOrEqual(99);
  expect(done.length).toBeLessThanOrEqual(102);
  for (let turns = 0; turns < 2; turns++) work.run(clock.ms);
  expect(work.isDone).toBe(true);
  expect(done).toEqual(Array.from({ length: 250 }, (_, i) => `${i}`));
});

test("in a turn that has taken long already little is done, but something", () => {
  const { work, add, done, clock } = rig(0);
  for (let i = 0; i < 3 * PACED_TASKS_MIN; i++) add(`${i}`);
  work.run(clock.ms - 10 * PACED_TURN_MS);
  expect(done.length).toBe(PACED_TASKS_MIN);
  expect(work.isDone).toBe(false);
});

test("work that adds itself again waits until the others had their turn", () => {
  const work = new PacedWork(() => 0);
  const done: string[] = [];
  let left = 3;
  const again: PacedTask = {
    goOn() {
      done.push("again");
      if (--left > 0) work.add(again);
    },
  };
  work.add(again);
  work.add({ goOn: () => void done.push("once") });
  work.run(0);
  expect(done).toEqual(["again", "once", "again", "again"]);
  expect(work.isDone).toBe(true);
});
