/** What a time limit abandons is waited for, and heard of. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { tracked } from "../../support/tracked.ts";

/** Checks once, and then hangs until the time limit abandons it. */
async function hang(until: Promise<void>) {
  let runs = 0;
  const attempt = tracked(async () => {
    if (runs++ > 0) await until;
  });
  const property = fc.asyncProperty(fc.nat(), attempt.check);
  await fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 1000 });
  return attempt;
}

test("a run that was abandoned and ends well is waited for", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const attempt = await hang(promise);
  let isSettled = false;
  const settled = attempt.settled().then(() => {
    isSettled = true;
  });
  await Bun.sleep(1);
  expect(isSettled).toBe(false);
  resolve();
  await settled;
});

test("a run that was abandoned and fails then makes the test fail", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  const attempt = await hang(promise);
  reject(new Error("nothing came in time"));
  await expect(attempt.settled()).rejects.toThrow("nothing came in time");
});
