import { describe, expect, test } from "bun:test";
import { type Hazard, World } from "../../support/migration/world.ts";

/** The first seed from which on, within `count`, something goes wrong; null: none does. */
function firstFault(hazard: Hazard, count: number): string | null {
  for (let seed = 1; seed <= count; seed++) {
    const [problem] = new World(seed, hazard).run();
    if (problem !== undefined) return `seed ${seed}: ${problem}`;
  }
  return null;
}

describe("keys that move while clients go on", () => {
  test("are never lost, stale, revived or on two servers, whatever dies", () => {
    expect(firstFault("none", 300)).toBeNull();
  }, 60_000);
});
