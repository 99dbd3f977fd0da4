import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type AnyMetricSet, defineMetrics, type Labels } from "../../../src/api/metrics.ts";
import { POOL, type StatsLayout } from "../../../src/api/stats.ts";
import { blocksOf, directoryOf, findBlock } from "../../../src/metrics/directory.ts";
import {
  addBlock,
  copyCounters,
  createStatsLayout,
  resetGauges,
  slotRegion,
  statsByteLength,
} from "../../../src/metrics/layout.ts";
import { readCounters, readSets } from "../../../src/metrics/read-counters.ts";
import { earlierLayout } from "./earlier-layout.ts";
import { type PoolNames, statsConfig } from "./stats-config.ts";

const OLD: AnyMetricSet = defineMetrics("m", ["pool"], { a: ["counter", "first"] });
/** The same set in later programs: more rows, in any order, and without the first. */
const LATER: readonly AnyMetricSet[] = [
  OLD,
  defineMetrics("m", ["pool"], { a: ["counter", "one"], b: ["counter", ""], g: ["gauge", ""] }),
  defineMetrics("m", ["pool"], { b: ["counter", ""], a: ["counter", ""] }),
  defineMetrics("m", ["pool"], { c: ["counter", ""], t: ["histogram", "times"] }),
  defineMetrics(
    "m",
    ["pool"],
    Object.fromEntries(["a", ..."defghijklmnopq"].map((name) => [name, ["counter", ""] as const])),
  ),
];
const POOLS: PoolNames = { one: ["x"] };

function withSet(layout: StatsLayout, set: AnyMetricSet, labels: Labels): StatsLayout | null {
  let next: StatsLayout | null = layout;
  for (const schema of [set.schema, ...Object.values(set.histograms)]) {
    if (next !== null) next = addBlock(next, { schema, labels });
  }
  return next;
}

function baseOf(layout: StatsLayout, set: AnyMetricSet, labels: Labels): number {
  const block = findBlock(directoryOf(layout), { schema: set.schema, labels });
  if (block === null) throw new Error("there is no block");
  return block.base;
}

function expectNoOverlap(layout: StatsLayout): void {
  let end = 0;
  for (const { base, size } of blocksOf(layout).sort((a, b) => a.base - b.base)) {
    expect(base).toBeGreaterThanOrEqual(end);
    end = base + size;
  }
  expect(end).toBeLessThanOrEqual(layout.stride);
}

/** A block of hundreds of values. */
const LONG = defineMetrics("long", ["pool"], { took_us: ["histogram", ""] }).histograms.took_us;

describe("the directory", () => {
  const labels = { pool: "one" };

  test("gives each set with its labels a block of its own, and the same one again", () => {
    let layout = createStatsLayout(statsConfig(POOLS), 2);
    layout = withSet(layout, OLD, labels)!;
    layout = withSet(layout, OLD, { pool: "two" })!;
    expect(withSet(layout, OLD, labels)).toEqual(layout);
    expect(baseOf(layout, OLD, labels)).not.toBe(baseOf(layout, OLD, { pool: "two" }));
    expectNoOverlap(layout);
    expect(createStatsLayout(statsConfig(POOLS), 2, layout)).toEqual(layout);
  });

  test("lets a set that has gained rows go on in its block while they fit", () => {
    const before = withSet(createStatsLayout(statsConfig(POOLS), 2), OLD, labels)!;
    const after = withSet(before, LATER[1]!, labels)!;
    expect(baseOf(after, LATER[1]!, labels)).toBe(baseOf(before, OLD, labels));
    // A program that is older again finds its rows there.
    expect(withSet(after, OLD, labels)).toEqual(after);
  });

  test("gives a set whose rows do not fit, or are others, a second block, and readers add both up", () => {
    const config = statsConfig(POOLS);
    let layout = withSet(createStatsLayout(config, 2), OLD, labels)!;
    const old = baseOf(layout, OLD, labels);
    for (const set of [LATER[2]!, LATER[4]!]) {
      layout = withSet(layout, set, labels)!;
      expect(baseOf(layout, set, labels)).not.toBe(old);
      expect(baseOf(layout, OLD, labels)).toBeGreaterThanOrEqual(0);
    }
    const memory = new Float64Array(statsByteLength(layout) / 8);
    // A worker of the old program goes on in slot 0, one of the new program counts in slot 1.
    slotRegion(memory, layout, 0)[old] = 5;
    slotRegion(memory, layout, 1)[baseOf(layout, LATER[2]!, labels) + LATER[2]!.at["a"]!] = 7;
    const [figures] = readSets({ layout, memory });
    expect(figures).toMatchObject({ set: "m", labels, values: { a: 12, b: 0, q: 0 } });
    expectNoOverlap(layout);
  });

  test("says no when the memory is full; larger memory has room", () => {
    const config = statsConfig(POOLS);
    let layout = createStatsLayout(config, 1);
    const { stride } = layout;
    for (let n = 0; ; n++) {
      const next = addBlock(layout, { schema: LONG, labels: { pool: `${n}` } });
      if (next === null) break;
      layout = next;
    }
    expectNoOverlap(layout);
    expect(layout.stride).toBe(stride);
    const wish = { schema: LONG, labels: { pool: "more" } };
    const larger = createStatsLayout(config, 1, layout, [wish]);
    expect(larger.stride).toBeGreaterThan(stride);
    expect(findBlock(directoryOf(larger), wish)).not.toBeNull();
    expectNoOverlap(larger);
  });

  test("comes back whole from a program that knows no directory", () => {
    const layout = withSet(createStatsLayout(statsConfig(POOLS), 2), LATER[3]!, labels)!;
    const earlier = earlierLayout({ one: ["x", "y"], two: ["z"] }, layout);
    expectNoOverlap(earlier);
    const after = createStatsLayout(statsConfig({ one: ["x", "y"], two: ["z"] }), 2, earlier);
    expect(directoryOf(after)).toEqual(directoryOf(layout));
    expectNoOverlap(after);
  });

  test("resets gauges of its blocks, and shows rows that this program does not know", () => {
    const layout = withSet(createStatsLayout(statsConfig(POOLS), 1), LATER[1]!, labels)!;
    const memory = new Float64Array(statsByteLength(layout) / 8);
    const base = baseOf(layout, LATER[1]!, labels);
    memory.fill(3, base, base + 3);
    resetGauges(memory, layout);
    const [figures] = readSets({ layout: JSON.parse(JSON.stringify(layout)), memory });
    expect(figures?.values).toEqual({ a: 3, b: 3, g: 0 });
  });
});

/** One program after the other, and workers that count: what happens in the life of one memory. */
type Step =
  | { readonly kind: "count"; readonly slot: number; readonly pool: string }
  | { readonly kind: "respawn"; readonly slot: number; readonly program: number }
  | { readonly kind: "reload"; readonly pools: PoolNames }
  | { readonly kind: "earlier"; readonly pools: PoolNames };

const SLOTS = 3;
const poolName = fc.constantFrom("one", "two");
const slotNumber = fc.nat({ max: SLOTS - 1 });
const poolNames: fc.Arbitrary<PoolNames> = fc
  .dictionary(fc.constantFrom("one", "two", "three"), fc.subarray(["x", "y", "z"]), {
    noNullPrototype: true,
  })
  .map((pools) => ({ one: ["x"], ...pools }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("count"), slot: slotNumber, pool: poolName }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("respawn"),
      slot: slotNumber,
      program: fc.nat({ max: LATER.length - 1 }),
    }),
  },
  fc.record({ kind: fc.constant("reload"), pools: poolNames }),
  fc.record({ kind: fc.constant("earlier"), pools: poolNames }),
) as fc.Arbitrary<Step>;

test("over any series of counting, respawns, reloads and programs, older and newer, no sum falls or grows by itself", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const config = statsConfig({ one: ["x"] });
      let layout = createStatsLayout(config, SLOTS);
      let memory = new Float64Array(statsByteLength(layout) / 8);
      const programs = Array.from({ length: SLOTS }, () => OLD);
      const wanted = new Map<string, number>();
      let requests = 0;
      const become = (next: StatsLayout): void => {
        if (next.stride !== layout.stride) {
          const larger = new Float64Array(statsByteLength(next) / 8);
          copyCounters(memory, layout, larger, next);
          memory = larger;
        }
        layout = next;
      };
      for (const action of steps) {
        if (action.kind === "reload")
          become(createStatsLayout(statsConfig(action.pools), SLOTS, layout));
        else if (action.kind === "earlier") become(earlierLayout(action.pools, layout));
        else if (action.kind === "respawn") {
          programs[action.slot] = LATER[action.program]!;
          resetGauges(slotRegion(memory, layout, action.slot), layout);
        } else {
          const labels = { pool: action.pool };
          const set = programs[action.slot]!;
          become(withSet(layout, set, labels)!);
          const region = slotRegion(memory, layout, action.slot);
          const base = baseOf(layout, set, labels);
          for (const [name, offset] of Object.entries(set.at)) {
            const key = `${action.pool} ${name}`;
            wanted.set(key, (wanted.get(key) ?? 0) + 1);
            region[base + offset]! += 1;
          }
          const [pool] = layout.pools;
          region[pool!.base + POOL.requests]! += 1;
          requests += 1;
        }
        expectNoOverlap(layout);
      }
      for (const { labels, values } of readSets({ layout, memory })) {
        for (const [name, value] of Object.entries(values)) {
          if (name === "g" || typeof value !== "number") continue;
          expect([name, value]).toEqual([name, wanted.get(`${labels["pool"]} ${name}`) ?? 0]);
          wanted.delete(`${labels["pool"]} ${name}`);
        }
      }
      expect([...wanted.keys()].filter((key) => !key.endsWith(" g"))).toEqual([]);
      expect(readCounters(config, { layout, memory })[0]?.counters.requests).toBe(requests);
    }),
  );
});
