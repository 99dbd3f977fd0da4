import { expect, test } from "bun:test";
import { LOG_REPEAT_MS } from "../../../src/base/limits.ts";
import { LogLimit } from "../../../src/base/log-limit.ts";

test("an event is logged once in a while, with how often it was left out", () => {
  const limit = new LogLimit();
  expect(limit.admit("a", 5)).toBe(0);
  expect(limit.admit("a", 6)).toBeNull();
  expect(limit.admit("a", 4 + LOG_REPEAT_MS)).toBeNull();
  expect(limit.admit("b", 7)).toBe(0);
  expect(limit.admit("a", 5 + LOG_REPEAT_MS)).toBe(2);
  expect(limit.admit("a", 6 + LOG_REPEAT_MS)).toBeNull();
  expect(limit.admit("a", 5 + 2 * LOG_REPEAT_MS)).toBe(1);
});
