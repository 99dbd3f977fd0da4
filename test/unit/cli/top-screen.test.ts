import { expect, test } from "bun:test";
import type { Status } from "../../../src/api/control-socket.ts";
import type { HistogramFigures } from "../../../src/api/stats.ts";
import { shortNames } from "../../../src/cli/short-names.ts";
import type { Look } from "../../../src/cli/top-look.ts";
import {
  sorted,
  type TopRow,
  topRows,
  topScreen,
  viewScreen,
} from "../../../src/cli/top-screen.ts";

function look(atMs: number, requests: number, times: HistogramFigures, servers = 1): Look {
  const counters = { requests, forward_error: requests / 100, protocol_errors: 0 };
  const server = { requests, server_timedout: 0, server_err: 0 };
  const names = Array.from({ length: servers }, (_, index) => `shard-with-a-long-name-${index}`);
  const status = {
    ...{ version: "1.2.3", phase: "serving", clients: 7 },
    processes: [{ role: "worker" }, { role: "worker" }, { role: "admin" }],
    pools: [{ name: "main", counters, servers: names.map((name) => ({ name, counters: server })) }],
    metrics: [
      { set: "times", labels: { pool: "main", family: "read" }, values: { total_us: times } },
      ...names.map((name) => ({
        set: "server_times",
        labels: { pool: "main", server: name },
        values: { queue_us: times, server_us: times },
      })),
    ],
  };
  const nothing = { clients: null, hot: [], big: [], facts: new Map() };
  return { status: status as unknown as Status, atMs, ...nothing };
}

const LEADERS = ["busiest client  10.0.0.7:1", "hottest key     k", "biggest key     l"];

function screen(
  rows: readonly TopRow[],
  of: Look,
  key: "name" | "rate",
  columns: number,
): string[] {
  const history = new Map([["", [1, 2, 3]]]);
  for (const { name } of rows) history.set(name, [1, 9]);
  const overview = { rows, look: of, leaders: LEADERS, history };
  return topScreen(overview, key, { columns, lines: 24 });
}

const NONE: HistogramFigures = { count: 0, sum: 0, buckets: [] };
const SOME: HistogramFigures = {
  count: 200,
  sum: 30_000,
  buckets: [
    [101, 190],
    [1599, 10],
  ],
};

test("rates and percentiles are of the time between two looks", () => {
  const rows = topRows(look(1000, 100, NONE), look(3000, 300, SOME));
  expect(rows.map(({ name, rate }) => [name, rate])).toEqual([
    ["pool main", 100],
    ["main read", 100],
    ["main server shard-with-a-long-name-0", 100],
  ]);
  expect(rows[0]).toMatchObject({ errorRate: 1, p50: 100.5, max: 1583.5 });
});

test("the screen fits 80 × 24, however many servers there are", () => {
  const before = look(0, 0, NONE, 60);
  const now = look(1000, 1_234_567, SOME, 60);
  for (const columns of [80, 120, 200]) {
    const lines = screen(topRows(before, now), now, "rate", columns);
    expect(lines).toHaveLength(24);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    expect(lines[0]).toMatch(/^proxy 1\.2\.3, serving, 2 workers, 7 clients +▃▆█$/);
    expect(lines[2]).toMatch(
      columns === 80 ? /p95 +p98 +p99 +max$/ : /p95 +p98 +p99 +p99\.9 +max$/,
    );
    expect(lines[3]).toMatch(/^\S.* 1\.2M +/);
    expect(lines[18]).toBe("… 47 more");
    expect(lines.slice(19, 22)).toEqual(LEADERS);
  }
  const other = viewScreen(new Array(50).fill("x".repeat(100)), now, new Map(), {
    ...{ columns: 80, lines: 24 },
  });
  expect(other).toHaveLength(24);
  for (const line of other) expect(line.length).toBeLessThanOrEqual(80);
  expect(other.at(-2)).toBe("… 30 more");
});

test("only the rows of the pool that is asked for are shown", () => {
  const [before, now] = [look(1000, 100, NONE), look(3000, 300, SOME)];
  expect(topRows(before, now, "main")).toHaveLength(3);
  expect(topRows(before, now, "other")).toEqual([]);
});

test("rows are sorted by what is asked for", () => {
  const zeros = { p50: 0, p90: 0, p95: 0, p98: 0, p999: 0 };
  const row = { name: "a", rate: 1, errorRate: 0, ...zeros, p99: 5, max: 9 };
  const rows = [row, { ...row, name: "b", rate: 3, p99: 1, max: 10 }];
  expect(sorted(rows, "name").map(({ name }) => name)).toEqual(["a", "b"]);
  expect(sorted(rows, "rate").map(({ name }) => name)).toEqual(["b", "a"]);
  expect(sorted(rows, "p99").map(({ name }) => name)).toEqual(["a", "b"]);
});

test("names that are too long still tell the rows apart", () => {
  const servers = (pool: string, ...names: string[]): string[] =>
    names.map((name) => `${pool} server ${name}`);
  for (const names of [
    servers("redis_pool", "cache-1", "cache-2", "cache-3"),
    servers("main", "cache-1.prod.example.com:11211", "cache-2.prod.example.com:11211"),
    [...servers("a-pool-with-a-long-name", "a-1"), ...servers("a-pool-with-b-long-name", "a-1")],
    ["x".repeat(30), `${"x".repeat(30)}y`],
  ]) {
    const short = shortNames(names, 24);
    expect(new Set(short).size).toBe(names.length);
    for (const name of short) expect(name.length).toBe(24);
  }
  expect(shortNames(["redis_pool server cache-1", "pool main"], 24)).toEqual([
    "redis_p…l server cache-1",
    "pool main",
  ]);
  const zeros = { p50: 0, p90: 0, p95: 0, p98: 0, p999: 0 };
  const row = { rate: 1, errorRate: 0, ...zeros, p99: 5, max: 9 };
  const rows = servers("redis_pool", "cache-1", "cache-2").map((name) => ({ name, ...row }));
  const shown = screen(rows, look(0, 0, NONE), "name", 80);
  expect(shown[3]).not.toBe(shown[4]);
});
