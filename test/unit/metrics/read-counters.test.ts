import { expect, test } from "bun:test";
import {
  POOL,
  POOL_COUNTERS,
  SERVER,
  SERVER_COUNTERS,
  type StatsLayout,
} from "../../../src/api/stats.ts";
import { describeStats } from "../../../src/cli/describe-stats.ts";
import { createStatsLayout, slotRegion, statsByteLength } from "../../../src/metrics/layout.ts";
import { readCounters } from "../../../src/metrics/read-counters.ts";
import { statsConfig } from "./stats-config.ts";

const config = statsConfig({ one: ["x"], two: ["y", "z"] });

function memoryOf(layout: StatsLayout): Float64Array {
  return new Float64Array(statsByteLength(layout) / Float64Array.BYTES_PER_ELEMENT);
}

test("every counter of every pool and server is read, summed over the workers", () => {
  const layout = createStatsLayout(config, 3);
  const memory = memoryOf(layout);
  // Each counter has a value of its own, in two workers.
  let next = 1;
  const wanted = new Map<number, number>();
  for (const pool of layout.pools) {
    const indexes = [
      ...POOL_COUNTERS.map((name) => pool.base + POOL[name]),
      ...pool.servers.flatMap(({ base }) => SERVER_COUNTERS.map((name) => base + SERVER[name])),
    ];
    for (const index of indexes) {
      slotRegion(memory, layout, 0)[index] = next;
      slotRegion(memory, layout, 2)[index] = 1000;
      wanted.set(index, next++ + 1000);
    }
  }
  const pools = readCounters(config, { layout, memory });
  expect(pools.map(({ name, servers }) => [name, servers.map((server) => server.name)])).toEqual([
    ["one", ["x"]],
    ["two", ["y", "z"]],
  ]);
  for (const [at, pool] of pools.entries()) {
    const place = layout.pools[at]!;
    for (const name of POOL_COUNTERS) {
      expect([name, pool.counters[name]]).toEqual([name, wanted.get(place.base + POOL[name])!]);
    }
    for (const [number, server] of pool.servers.entries()) {
      const { base } = place.servers[number]!;
      for (const name of SERVER_COUNTERS) {
        const sum = wanted.get(base + SERVER[name])!;
        // A point in time: the latest of all, or the earliest.
        const isLatest = ["server_ejected_at", "trouble_kind", "health"].includes(name);
        const value = isLatest ? 1000 : name === "trouble_since" ? sum - 1000 : sum;
        expect([name, server.counters[name]]).toEqual([name, value]);
      }
    }
  }
});

test("a gauge that is seen half written is not below zero", () => {
  const layout = createStatsLayout(config, 1);
  const memory = memoryOf(layout);
  memory[layout.pools[0]!.base + POOL.client_connections] = -1;
  expect(readCounters(config, { layout, memory })[0]!.counters.client_connections).toBe(0);
});

test("every counter is explained, and those that the statistics port lacks are marked", () => {
  const lines = describeStats().split("\n");
  for (const name of [...POOL_COUNTERS, ...SERVER_COUNTERS]) {
    expect(lines.some((line) => line.startsWith(`  ${name} `))).toBe(true);
  }
  expect(lines.some((line) => line.startsWith("  client_output_cut * "))).toBe(true);
  expect(lines.some((line) => line.startsWith("  client_eof   "))).toBe(true);
});
