import { expect, test } from "bun:test";
import { Phase } from "../../../src/supervisor/phase.ts";

test("a phase lasts from when it was entered first", () => {
  const phase = new Phase();
  phase.enter("serving", 1_000);
  phase.enter("serving", 2_000);
  expect([phase.name, phase.sinceMs]).toEqual(["serving", 1_000]);
  phase.enter("paused", 3_000);
  expect([phase.name, phase.sinceMs]).toEqual(["paused", 3_000]);
});

test("a refusal says what to do", () => {
  const phase = new Phase();
  expect(phase.refusal).toBe("the proxy is starting: try again in a moment");
  phase.enter("serving");
  expect(phase.refusal).toBe(null);
  phase.enter("draining");
  expect(phase.refusal).toBe("the proxy is draining: it takes no more orders but to stop");
});
