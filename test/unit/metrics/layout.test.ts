import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  BLOCK_VALUES,
  POOL,
  POOL_COUNTERS,
  SERVER,
  SERVER_COUNTERS,
  type StatsLayout,
} from "../../../src/api/stats.ts";
import { poolsOf } from "../../../src/metrics/directory.ts";
import {
  copyCounters,
  createStatsLayout,
  RESERVED_VALUES,
  resetGauges,
  STRIDE_STEP_VALUES,
  slotRegion,
  statsByteLength,
} from "../../../src/metrics/layout.ts";
import { type PoolNames, statsConfig } from "./stats-config.ts";

/** "pool" or "pool/server" → base. */
function bases(layout: StatsLayout): Map<string, number> {
  const all = new Map<string, number>();
  for (const pool of poolsOf(layout)) {
    all.set(pool.name, pool.base);
    for (const server of pool.servers) all.set(`${pool.name}/${server.name}`, server.base);
  }
  return all;
}

function memoryFor(layout: StatsLayout): Float64Array {
  return new Float64Array(statsByteLength(layout) / 8);
}

const poolNames: fc.Arbitrary<PoolNames> = fc.dictionary(
  fc.constantFrom("alpha", "beta", "gamma", "delta"),
  fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { minLength: 1 }),
  { noNullPrototype: true },
);

describe("a layout", () => {
  test("has a block for every pool and server, with room for more counters in each", () => {
    const layout = createStatsLayout(statsConfig({ one: ["x", "y"], two: ["x"] }), 3);
    const all = bases(layout);
    expect([...all.keys()].sort()).toEqual(["one", "one/x", "one/y", "two", "two/x"]);
    expect(layout.slots).toBe(3);
    expect(POOL_COUNTERS.length).toBeLessThan(BLOCK_VALUES);
    expect(SERVER_COUNTERS.length).toBeLessThan(BLOCK_VALUES);
    expect(layout.stride % STRIDE_STEP_VALUES).toBe(0);
    expect(layout.stride).toBeGreaterThanOrEqual(5 * BLOCK_VALUES + RESERVED_VALUES);
    expect(statsByteLength(layout)).toBe(layout.stride * 3 * 8);
  });

  test("over any series of reloads moves no base, shares no block and forgets nobody", () => {
    fc.assert(
      fc.property(fc.array(poolNames, { minLength: 1, maxLength: 8 }), (reloads) => {
        let layout: StatsLayout | undefined;
        for (const pools of reloads) {
          const next: StatsLayout = createStatsLayout(statsConfig(pools), 2, layout);
          const now = bases(next);
          for (const [name, base] of layout === undefined ? [] : bases(layout)) {
            expect(now.get(name)).toBe(base);
          }
          for (const [pool, servers] of Object.entries(pools)) {
            for (const server of servers) expect(now.has(`${pool}/${server}`)).toBe(true);
          }
          const sorted = [...now.values()].sort((a, b) => a - b);
          sorted.forEach((base, index) => {
            expect(base).toBe(index * BLOCK_VALUES);
          });
          expect(sorted.length * BLOCK_VALUES).toBeLessThanOrEqual(next.stride);
          if (layout !== undefined) expect(next.stride).toBe(layout.stride);
          layout = next;
        }
      }),
    );
  });

  test("survives the way through JSON", () => {
    const layout = createStatsLayout(statsConfig({ one: ["x"] }), 2);
    expect(JSON.parse(JSON.stringify(layout))).toEqual(layout);
  });

  test("never shrinks its slots", () => {
    const config = statsConfig({ one: ["x"] });
    const layout = createStatsLayout(config, 4);
    expect(createStatsLayout(config, 2, layout).slots).toBe(4);
    expect(createStatsLayout(config, 8, layout).slots).toBe(8);
    expect(createStatsLayout(config, 8, layout).stride).toBe(layout.stride);
  });

  test("grows its stride when the reserved room is used up, and the counters can be carried over", () => {
    const before = createStatsLayout(statsConfig({ one: ["x"] }), 2);
    const memory = memoryFor(before);
    memory.forEach((_, index) => {
      memory[index] = index;
    });
    const many = Array.from({ length: RESERVED_VALUES / BLOCK_VALUES + 32 }, (_, n) => `s${n}`);
    const after = createStatsLayout(statsConfig({ one: ["x"], two: many }), 2, before);
    expect(after.stride).toBeGreaterThan(before.stride);
    const target = memoryFor(after);
    copyCounters(memory, before, target, after);
    for (const slot of [0, 1]) {
      const region = slotRegion(target, after, slot);
      expect(region.subarray(0, before.stride)).toEqual(slotRegion(memory, before, slot));
      expect(region.subarray(before.stride).every((value) => value === 0)).toBe(true);
    }
  });
});

describe("a slot's region", () => {
  test("shares the memory and nothing with its neighbours", () => {
    const layout = createStatsLayout(statsConfig({ one: ["x"] }), 3);
    const memory = memoryFor(layout);
    slotRegion(memory, layout, 1).fill(7);
    expect(slotRegion(memory, layout, 0).every((value) => value === 0)).toBe(true);
    expect(slotRegion(memory, layout, 2).every((value) => value === 0)).toBe(true);
    expect(memory[layout.stride]).toBe(7);
    expect(memory[2 * layout.stride - 1]).toBe(7);
  });

  test("of a slot that does not exist is refused", () => {
    const layout = createStatsLayout(statsConfig({ one: ["x"] }), 2);
    const memory = memoryFor(layout);
    for (const slot of [-1, 2, 0.5, Number.NaN]) {
      expect(() => slotRegion(memory, layout, slot)).toThrow(RangeError);
    }
  });

  test("loses its gauges and keeps its counters when a worker takes it over", () => {
    const layout = createStatsLayout(statsConfig({ one: ["x"] }), 1);
    const region = slotRegion(memoryFor(layout), layout, 0).fill(7);
    resetGauges(region, layout);
    const [pool] = layout.pools;
    const server = pool!.servers[0]!;
    const zeroes = [...region.entries()].filter(([, value]) => value === 0).map(([index]) => index);
    expect(zeroes).toEqual(
      [
        pool!.base + POOL.client_connections,
        pool!.base + POOL.shared_subscriptions,
        pool!.base + POOL.client_bytes,
        server.base + SERVER.server_connections,
        server.base + SERVER.in_queue,
        server.base + SERVER.in_queue_bytes,
        server.base + SERVER.out_queue,
        server.base + SERVER.out_queue_bytes,
        server.base + SERVER.in_trouble,
        server.base + SERVER.ejected,
        server.base + SERVER.trouble_since,
        server.base + SERVER.trouble_kind,
        server.base + SERVER.in_pool,
        server.base + SERVER.health,
      ].sort((a, b) => a - b),
    );
  });
});

test("rows of pools and servers are where programs before have them in the same memory", () => {
  const pool = ["client_eof", "client_err", "client_connections", "client_connections_total"];
  pool.push("server_ejects", "forward_error", "fragments", "requests", "local_requests");
  pool.push("protocol_errors", "client_output_cut", "shared_subscriptions");
  const server = ["server_eof", "server_err", "server_timedout", "server_connections"];
  server.push("server_ejected_at", "requests", "request_bytes", "responses", "response_bytes");
  server.push("in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes");
  server.push("server_connections_total", "server_pushes", "in_trouble", "ejected");
  server.push("trouble_since", "trouble_kind");
  expect(POOL_COUNTERS.filter((_, offset) => offset < pool.length)).toEqual(pool as never);
  expect(SERVER_COUNTERS.filter((_, offset) => offset < server.length)).toEqual(server as never);
});
