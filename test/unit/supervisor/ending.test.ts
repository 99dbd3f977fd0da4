import { expect, test } from "bun:test";
import type { ProcessStatus } from "../../../src/api/control-socket.ts";
import type { Logger } from "../../../src/base/log.ts";
import { Ending } from "../../../src/supervisor/ending.ts";
import { StartError } from "../../../src/supervisor/start-error.ts";

/** A timer that the test lets run out. */
function createRig(remaining: readonly string[]) {
  const timers = new Map<() => void, number>();
  const errors: string[] = [];
  const log = {
    error: (message: string, fields = {}) => errors.push(`${message} ${JSON.stringify(fields)}`),
  } as unknown as Logger;
  const processes = remaining.map((name) => ({ name, pid: 7 }) as unknown as ProcessStatus);
  const ending = new Ending(
    log,
    () => processes,
    (ms, act) => {
      timers.set(act, ms);
      return () => timers.delete(act);
    },
  );
  const runOut = (): void => {
    for (const act of timers.keys()) act();
  };
  return { ending, timers, errors, runOut };
}

test("a stop ends within eight seconds, though a process that was killed does not end, and names it", async () => {
  const { ending, timers, errors, runOut } = createRig(["worker/3"]);
  expect(ending.comeWithin(0)).toBe(true);
  expect([...timers.values()]).toEqual([8_000]);
  runOut();
  expect(await ending.code).toBe(0);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toContain("worker/3");
});

test("the earlier of two orders holds, and what has come needs no timer", async () => {
  const { ending, timers, errors } = createRig([]);
  ending.comeWithin(60_000);
  expect(ending.comeWithin(90_000)).toBe(false);
  expect(ending.comeWithin(1_000)).toBe(true);
  expect([...timers.values()]).toEqual([9_000]);
  ending.come();
  expect(timers.size).toBe(0);
  expect(await ending.code).toBe(0);
  expect(errors).toEqual([]);
});

test("a proxy that could not start says so when all has ended", async () => {
  const { ending, runOut } = createRig(["admin"]);
  ending.startError = new StartError(["no"]);
  ending.comeWithin(0);
  runOut();
  expect(ending.code).rejects.toThrow("no");
});
