import { expect, test } from "bun:test";
import type { Config } from "../../../../src/api/config.ts";
import { defineMetrics } from "../../../../src/api/metrics.ts";
import { POOL, SERVER } from "../../../../src/api/stats.ts";
import { BUCKETS, bucketOf } from "../../../../src/metrics/histogram.ts";
import { slotRegion } from "../../../../src/metrics/layout.ts";
import { mapStatsMemory } from "../../../../src/metrics/stats-memory.ts";
import {
  type StatsMemory,
  type StatsSnapshot,
  StatsStore,
} from "../../../../src/supervisor/stats/stats-store.ts";
import { loadConfig } from "../../../support/load-config.ts";

function config(pools: number): Config {
  const text = Array.from(
    { length: pools },
    (_, index) => `  p${index}:\n    listen: h:${index + 100}\n    servers: ['h:1:1']\n`,
  );
  const { config } = loadConfig(`pools:\n${text.join("")}`, "/proxy.yaml");
  if (config === null) throw new Error("the configuration is wrong");
  return config;
}

/** What a worker of pool p0 sees of its own slot. */
function region({ fd, layout }: StatsMemory, slot: number): Float64Array {
  return slotRegion(mapStatsMemory(fd, layout), layout, slot);
}

test("slots are given out from the lowest, with room for generations that overlap", () => {
  const store = new StatsStore();
  expect(store.prepare(config(1), 3).layout.slots).toBe(12);
  expect([store.takeSlot(), store.takeSlot(), store.takeSlot()]).toEqual([0, 1, 2]);
  store.prepare(config(1), 3);
  expect(store.takeSlot()).toBe(3);
  store.releaseSlot(1);
  expect(store.takeSlot()).toBe(1);
  // More workers than ever were: the memory grows, and what was counted stays.
  const before = store.snapshot();
  region(before, 2)[POOL.requests] = 7;
  const { layout, fd } = store.prepare(config(1), 100);
  expect(fd).toBe(before.fd);
  expect(layout.slots).toBe(400);
  expect(region({ layout, fd }, 2)[POOL.requests]).toBe(7);
});

test("counters stay when a slot is given up, gauges do not", () => {
  const store = new StatsStore();
  const memory = store.prepare(config(1), 1);
  const slot = store.takeSlot();
  const values = region(memory, slot);
  values[POOL.requests] = 5;
  values[POOL.client_connections] = 9;
  store.releaseSlot(slot);
  expect(values[POOL.requests]).toBe(5);
  expect(values[POOL.client_connections]).toBe(0);
});

test("when the room is used up there is new memory, and nothing that an old worker counts is lost", () => {
  const store = new StatsStore();
  const old = store.prepare(config(1), 1);
  const slot = store.takeSlot();
  const values = region(old, slot);
  values[POOL.requests] = 5;
  const larger = store.prepare(config(1000), 1);
  expect(larger.fd).not.toBe(old.fd);
  expect(region(larger, slot)[POOL.requests]).toBe(5);
  // The worker of the slot goes on counting in the old one.
  values[POOL.requests] = 8;
  expect(store.takeSlot()).not.toBe(slot);
  store.releaseSlot(slot);
  expect(region(larger, slot)[POOL.requests]).toBe(8);
});

test("a program that replaces this one goes on with the same memory", () => {
  const first = new StatsStore();
  const memory = first.prepare(config(1), 1);
  const slot = first.takeSlot();
  region(memory, slot)[POOL.requests] = 3;
  const second = new StatsStore(JSON.parse(JSON.stringify(first.snapshot())) as StatsMemory);
  second.keepSlot(slot);
  expect(second.takeSlot()).toBe(slot + 1);
  expect(region(second.prepare(config(1), 1), slot)[POOL.requests]).toBe(3);
});

const SET = defineMetrics("m", ["n"], { took_us: ["histogram", ""] });

function wish(n: number) {
  return { schema: SET.histograms.took_us, labels: { n: `${n}` } };
}

test("blocks are added while workers count, until the memory is full; the next generation has larger memory", () => {
  const store = new StatsStore();
  const memory = store.prepare(config(1), 1);
  const slot = store.takeSlot();
  let added = 0;
  const values = region(memory, slot);
  for (;;) {
    const base = store.addBlock(slot, wish(added));
    if (base === null) break;
    expect(base + BUCKETS).toBeLessThan(memory.layout.stride);
    values[base + 1 + bucketOf(7)] = 1;
    added += 1;
  }
  expect(added).toBeGreaterThan(50);
  const sets = () => store.sets().filter(({ set }) => set === SET.name);
  expect(sets()).toHaveLength(added);
  // Known blocks are there, whatever else has no room.
  expect(store.addBlock(slot, wish(0))).not.toBeNull();
  const larger = store.prepare(config(1), 1);
  expect(larger.fd).not.toBe(memory.fd);
  const beyond = added + 10;
  const other = store.takeSlot();
  for (let n = added; n <= beyond; n++) expect(store.addBlock(other, wish(n))).not.toBeNull();
  // The worker that has the old memory cannot reach all of the new one.
  expect(store.addBlock(slot, wish(0))).not.toBeNull();
  expect(store.addBlock(slot, wish(beyond))).toBeNull();
  const once = { count: 1, sum: 0, buckets: [[7, 1]] };
  const counted = sets().map(({ values }) => values["took_us"]);
  expect(counted.filter((value) => Bun.deepEquals(value, once))).toHaveLength(added);
});

test("workers of old memory are counted over a change of program, too", () => {
  const first = new StatsStore();
  const old = first.prepare(config(1), 1);
  const slot = first.takeSlot();
  const values = region(old, slot);
  values[POOL.requests] = 5;
  first.prepare(config(1000), 1);
  const second = new StatsStore(JSON.parse(JSON.stringify(first.leave())) as StatsSnapshot);
  second.keepSlot(slot);
  second.resetFreeSlots();
  values[POOL.requests] = 9;
  second.releaseSlot(slot);
  expect(second.figures(config(1))[0]?.counters.requests).toBe(9);
  expect(second.leave().elsewhere).toEqual([]);
});

test("gauges that a program left, which did not know them, are not shown", () => {
  const first = new StatsStore();
  const memory = first.prepare(config(1), 1);
  const [kept, gone] = [first.takeSlot(), first.takeSlot()];
  const { base } = memory.layout.pools[0]!.servers[0]!;
  for (const slot of [kept, gone]) {
    region(memory, slot)[base + SERVER.requests] = 2;
    region(memory, slot)[base + SERVER.in_trouble] = 1;
  }
  const second = new StatsStore(first.leave());
  second.keepSlot(kept);
  second.resetFreeSlots();
  const counters = second.figures(config(1))[0]?.servers[0]?.counters;
  expect(counters).toMatchObject({ requests: 4, in_trouble: 1 });
});
