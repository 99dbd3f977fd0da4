import { expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../support/seed.ts";

test("property tests have the seed that can be repeated", () => {
  expect(fc.readConfigureGlobal().seed).toBe(SEED);
});
