import { describe, expect, test } from "bun:test";
import { HostsWorld } from "../../support/migration/hosts-world.ts";
import type { Hazard } from "../../support/migration/rings.ts";

/** What goes wrong with one of these seeds; null: nothing does. */
function firstFault(hazard: Hazard, first: number, last: number): string | null {
  for (let seed = first; seed <= last; seed++) {
    const [problem] = new HostsWorld(seed, hazard).run();
    if (problem !== undefined) return `seed ${seed}: ${problem}`;
  }
  return null;
}

describe("keys that move while clients go on at several hosts", () => {
  test("are never lost, stale, revived or on two servers, whatever dies, is cut off or away", () => {
    expect(firstFault("none", 1, 120)).toBeNull();
  }, 120_000);

  test("rings change in them, and requests are refused", () => {
    const world = new HostsWorld(1);
    expect(world.run()).toEqual([]);
    expect(world.switches).toBeGreaterThan(0);
    expect(world.refusals).toBeGreaterThan(0);
  });

  test.each<readonly [Hazard, number]>([
    ["yes_unwritten", 200],
    ["own_release", 1],
    ["silent_not_awaited", 1],
    ["starts_by_its_file", 1],
    ["leaves_early", 260],
    ["any_version", 1],
    ["no_hold", 1],
    ["no_quiet", 1],
  ])(
    "would be, with the fault %p",
    (hazard, first) => {
      expect(firstFault(hazard, first, first + 150)).not.toBeNull();
    },
    120_000,
  );
});
