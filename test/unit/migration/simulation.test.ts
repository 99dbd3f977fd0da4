import { describe, expect, test } from "bun:test";
import type { Hazard, Kind } from "../../support/migration/rings.ts";
import { World } from "../../support/migration/world.ts";

/** The first seed from which on, within `count`, something goes wrong; null: none does. */
function firstFault(hazard: Hazard, count: number, kind: Kind = "redis"): string | null {
  for (let seed = 1; seed <= count; seed++) {
    const [problem] = new World(seed, hazard, kind).run();
    if (problem !== undefined) return `seed ${seed}: ${problem}`;
  }
  return null;
}

describe("keys that move while clients go on", () => {
  test("are never lost, stale, revived or on two servers, whatever dies", () => {
    expect(firstFault("none", 400)).toBeNull();
  }, 60_000);

  test.each<Hazard>([
    "no_hold",
    "no_quiet",
    "copy_not_move",
    "put_without_lock",
    "settled_when_put",
    "settled_survives_epoch",
    "late_worker_old_ring",
    "orphans_forgotten",
    "sweeper_outlives_cancel",
    "blind_delete_target_first",
    "told_before_written",
  ])(
    "would be, with the fault %p",
    (hazard) => {
      expect(firstFault(hazard, 1_000)).not.toBeNull();
    },
    60_000,
  );

  test.each([63_259, 80_478])("a rare one is found by seed %p", (seed) => {
    expect(new World(seed, "none").run()).toEqual([]);
    expect(new World(seed, "locks_passed_over").run()).not.toEqual([]);
  });

  test("are missed at the most where servers have no scripts, and that only when something has died", () => {
    expect(firstFault("none", 400, "memcache")).toBeNull();
  }, 60_000);

  test.each<[Hazard, number]>([
    ["no_hold", 76],
    ["copy_not_move", 8],
    ["settled_survives_epoch", 26],
    ["added_without_date", 3_260],
    ["added_late", 5_528],
    ["put_without_version", 1_985],
    ["late_drop_counts", 3_359],
    ["lock_not_looked_at", 4_636],
  ])("would not be there either, with the fault %p, by seed %p", (hazard, seed) => {
    expect(new World(seed, "none", "memcache").run()).toEqual([]);
    expect(new World(seed, hazard, "memcache").run()).not.toEqual([]);
  });

  test.each([1_856, 6_343])(
    "what appears late at its old server is no empty value, by seed %p",
    (seed) => {
      expect(new World(seed, "none", "memcache").run()).toEqual([]);
    },
  );
});
