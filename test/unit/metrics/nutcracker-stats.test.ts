import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { POOL, SERVER } from "../../../src/api/stats.ts";
import { createStatsLayout, slotRegion, statsByteLength } from "../../../src/metrics/layout.ts";
import { renderNutcrackerStats, type StatsSource } from "../../../src/metrics/nutcracker-stats.ts";
import { type PoolNames, statsConfig } from "./stats-config.ts";

const STARTED_AT_MS = 1_795_294_000_500;

function sourceFor(pools: PoolNames, slots = 1): StatsSource {
  const config = statsConfig(pools);
  const layout = createStatsLayout(config, slots);
  return {
    config,
    layout,
    memory: new Float64Array(statsByteLength(layout) / 8),
    hostname: "host",
    version: "1.2.3",
    startedAtMs: STARTED_AT_MS,
  };
}

/** Sets one value of a slot, found by the names of the pool and the server. */
function put(source: StatsSource, slot: number, path: string, offset: number, value: number): void {
  const [poolName, serverName] = path.split("/");
  const pool = source.layout.pools.find((candidate) => candidate.name === poolName)!;
  const server = pool.servers.find((candidate) => candidate.name === serverName);
  slotRegion(source.memory, source.layout, slot)[(server ?? pool).base + offset] = value;
}

function parsed(source: StatsSource): Record<string, Record<string, Record<string, number>>> {
  return JSON.parse(renderNutcrackerStats(source, STARTED_AT_MS));
}

describe("nutcracker's stats line", () => {
  test("has its keys, order and spacing to the byte", () => {
    const source = sourceFor({ beta: ["c"], alpha: ["127.0.0.1:7000", "d"] });
    const pool =
      '"client_eof":0, "client_err":0, "client_connections":0, "server_ejects":0, "forward_error":0, "fragments":0';
    const server =
      '"server_eof":0, "server_err":0, "server_timedout":0, "server_connections":0, "server_ejected_at":0, "requests":0, "request_bytes":0, "responses":0, "response_bytes":0, "in_queue":0, "in_queue_bytes":0, "out_queue":0, "out_queue_bytes":0';
    expect(renderNutcrackerStats(source, STARTED_AT_MS + 61_600)).toBe(
      `{"service":"nutcracker", "source":"host", "version":"1.2.3", "uptime":61, "timestamp":1795294062, "total_connections":2, "curr_connections":2, ` +
        `"beta": {${pool}, "c": {${server}}},` +
        `"alpha": {${pool}, "127.0.0.1:7000": {${server}},"d": {${server}}}}\n`,
    );
  });

  test("shows each value under its own key", () => {
    const source = sourceFor({ one: ["x"] });
    const pool = source.layout.pools[0]!;
    for (const [key, offset] of Object.entries(POOL)) {
      put(source, 0, "one", offset, 1_000 + offset);
      expect(parsed(source)["one"]?.[key] ?? 1_000 + offset).toEqual((1_000 + offset) as never);
    }
    for (const [key, offset] of Object.entries(SERVER)) {
      source.memory[pool.servers[0]!.base + offset] = 2_000 + offset;
      expect(parsed(source)["one"]?.["x"]?.[key] ?? 2_000 + offset).toBe(2_000 + offset);
    }
    const shown = parsed(source)["one"]!;
    expect(Object.keys(shown)).toHaveLength(7);
    expect(Object.keys(shown["x"]!)).toHaveLength(13);
  });

  test("sums counters over the slots", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 ** 45 }), { minLength: 1, maxLength: 8 }),
        (values) => {
          const source = sourceFor({ one: ["x"] }, values.length);
          values.forEach((value, slot) => {
            put(source, slot, "one", POOL.client_eof, value);
            put(source, slot, "one/x", SERVER.request_bytes, value);
          });
          const sum = values.reduce((a, b) => a + b, 0);
          const { one } = parsed(source);
          expect(one?.["client_eof"]).toBe(sum as never);
          expect(one?.["x"]?.["request_bytes"]).toBe(sum);
        },
      ),
    );
  });

  test("writes large numbers out, without an exponent", () => {
    const source = sourceFor({ one: ["x"] });
    put(source, 0, "one/x", SERVER.response_bytes, 2 ** 53);
    expect(renderNutcrackerStats(source, STARTED_AT_MS)).toContain(
      '"response_bytes":9007199254740992,',
    );
  });

  test("shows no gauge below zero, but its sum over the slots above", () => {
    const source = sourceFor({ one: ["x"] }, 2);
    put(source, 0, "one", POOL.client_connections, -3);
    put(source, 0, "one/x", SERVER.in_queue, -1);
    put(source, 0, "one/x", SERVER.out_queue_bytes, -5);
    put(source, 1, "one/x", SERVER.out_queue_bytes, 12);
    const { one } = parsed(source);
    expect(one?.["client_connections"]).toBe(0 as never);
    expect(one?.["x"]?.["in_queue"]).toBe(0);
    expect(one?.["x"]?.["out_queue_bytes"]).toBe(7);
  });

  test("shows the latest ejection of all workers", () => {
    const source = sourceFor({ one: ["x"] }, 3);
    put(source, 0, "one/x", SERVER.server_ejected_at, 1_795_294_000_000_001);
    put(source, 2, "one/x", SERVER.server_ejected_at, 1_795_294_000_000_000);
    expect(parsed(source)["one"]?.["x"]?.["server_ejected_at"]).toBe(1_795_294_000_000_001);
  });

  test("counts clients, server connections and a listening socket per pool as connections", () => {
    const source = sourceFor({ one: ["x", "y"], two: ["x"] }, 2);
    put(source, 0, "one", POOL.client_connections, 3);
    put(source, 1, "two", POOL.client_connections, 4);
    put(source, 1, "one/y", SERVER.server_connections, 5);
    put(source, 0, "one", POOL.client_connections_total, 30);
    put(source, 1, "two", POOL.client_connections_total, 40);
    put(source, 1, "one/y", SERVER.server_connections_total, 50);
    const line = parsed(source);
    expect(line["curr_connections"]).toBe((2 + 12) as never);
    expect(line["total_connections"]).toBe((2 + 120) as never);
  });

  test("shows no more current connections than total ones", () => {
    const source = sourceFor({ one: ["x"] });
    put(source, 0, "one", POOL.client_connections, 3);
    expect(parsed(source)["total_connections"]).toBe(4 as never);
  });

  test("leaves out what left the config, and keeps it in the total", () => {
    const before = sourceFor({ one: ["x", "y"], two: ["z"] });
    put(before, 0, "two/z", SERVER.server_connections_total, 9);
    const config = statsConfig({ three: ["w"], one: ["y"] });
    const layout = createStatsLayout(config, 1, before.layout);
    const line = parsed({ ...before, config, layout });
    expect(Object.keys(line).filter((key) => typeof line[key] === "object")).toEqual([
      "three",
      "one",
    ]);
    expect(line["one"]).not.toHaveProperty("x");
    expect(line["total_connections"]).toBe((2 + 9) as never);
  });

  test("stays JSON whatever a server or pool is called", () => {
    const name = 'a"\\\n{';
    expect(parsed(sourceFor({ [name]: [name] }))[name]?.[name]?.["requests"]).toBe(0);
  });

  test("does not run backwards when the clock does", () => {
    const line = renderNutcrackerStats(sourceFor({ one: ["x"] }), STARTED_AT_MS - 10_000);
    expect(JSON.parse(line).uptime).toBe(0);
  });
});
