import { expect, test } from "bun:test";
import type { BigKeyPart, HotKeyPart, KeyReport } from "../../../../src/api/key-report.ts";
import {
  BIG_KEPT_MAX,
  BIG_KEPT_MS,
  HOT_KEPT_MAX,
  HOT_WINDOW_MS,
} from "../../../../src/base/key-limits.ts";
import { KeyStatistics } from "../../../../src/supervisor/inspection/key-statistics.ts";

function hotKey(key: string, requests: number): HotKeyPart {
  return { key, requests, command: "GET", server: "s1", bytes: requests * 10, samples: 1 };
}

function bigKey(key: string, bytes: number, elements: number | null = null): BigKeyPart {
  return { key, bytes, elements, command: "GET", server: "s1", client: 1, address: "h:1" };
}

function report(parts: Partial<KeyReport>): KeyReport {
  return { pool: "p", requests: 0, samples: 0, hot: [], big: [], ...parts };
}

function rig() {
  const now = { ms: 10_000 };
  const statistics = new KeyStatistics(undefined, { nowMs: () => now.ms, epochMs: () => now.ms });
  return { now, statistics };
}

test("busy keys of all workers are joined, with their share and rate, for a minute", () => {
  const { now, statistics } = rig();
  const one = { requests: 1000, samples: 10, hot: [hotKey("a", 600), hotKey("b", 100)] };
  statistics.add(report(one));
  statistics.add(report(one));
  statistics.add(report({ pool: "q", requests: 10, samples: 1, hot: [hotKey("c", 10)] }));
  now.ms += 10_000;
  statistics.add(report({ requests: 1000, samples: 10, hot: [hotKey("b", 1000)] }));
  const { rows, requests, samples } = statistics.hot(["p"], 10);
  expect(rows.map(({ key, requests: of }) => `${key} ${of}`)).toEqual(["a 1200", "b 1200"]);
  expect([requests, samples]).toEqual([3000, 30]);
  expect(rows[0]!.share).toBeCloseTo(0.4);
  expect(rows[0]!.perSecond).toBeCloseTo(120);
  expect(statistics.hot(["p", "q"], 1).rows).toHaveLength(1);
  now.ms += HOT_WINDOW_MS - 5_000;
  expect(statistics.hot(["p"], 10).rows.map(({ key }) => key)).toEqual(["b"]);
  now.ms += HOT_WINDOW_MS;
  expect(statistics.hot(["p"], 10)).toMatchObject({ rows: [], requests: 0 });
});

test("what is kept of busy keys is bounded", () => {
  const { statistics } = rig();
  const hot = Array.from({ length: 3 * HOT_KEPT_MAX }, (_, i) => hotKey(`k${i}`, 1));
  statistics.add(report({ hot }));
  expect(statistics.hot(["p"], 1e6).rows).toHaveLength(HOT_KEPT_MAX);
});

test("big keys keep the largest that was seen, in either order, and go on in the next program", () => {
  const { now, statistics } = rig();
  statistics.add(report({ big: [bigKey("a", 5000), bigKey("b", 9000, 3)] }));
  statistics.add(report({ big: [bigKey("a", 100, 700)] }));
  const next = new KeyStatistics(JSON.parse(JSON.stringify(statistics.snapshot())), {
    ...{ nowMs: () => 0, epochMs: () => now.ms },
  });
  const query = { limit: 10, order: "bytes" } as const;
  expect(next.big(["p"], query).rows.map(({ key }) => key)).toEqual(["b", "a"]);
  const [first] = next.big(["p"], { ...query, order: "elements" }).rows;
  expect(first).toMatchObject({ key: "a", bytes: 5000, elements: 700, seen: 2, pool: "p" });
  expect(next.big(["q"], query).rows).toEqual([]);
  now.ms += BIG_KEPT_MS;
  expect(next.big(["p"], query).rows).toEqual([]);
  statistics.reset("q");
  expect(statistics.snapshot()).toHaveLength(2);
  statistics.reset(null);
  expect(statistics.snapshot()).toEqual([]);
});

test("what is kept of big keys is bounded: the largest and the longest stay", () => {
  const { statistics } = rig();
  statistics.add(report({ big: [bigKey("long", 1, 1_000_000), bigKey("large", 1e9)] }));
  for (let i = 0; i < 20; i++) {
    const big = Array.from({ length: 32 }, (_, j) => bigKey(`${i}:${j}`, 1000 + i, 10));
    statistics.add(report({ big }));
  }
  const keys = statistics.snapshot().map(({ key }) => key);
  expect(keys.length).toBeLessThanOrEqual(BIG_KEPT_MAX);
  expect(keys).toContain("long");
  expect(keys).toContain("large");
});
