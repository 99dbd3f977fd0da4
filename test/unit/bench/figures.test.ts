import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compareResults } from "../../../bench/compare.ts";
import { ratioOf } from "../../../bench/ratio.ts";
import { toMarkdown } from "../../../bench/report.ts";
import { RESULT_VERSION, type Result } from "../../../bench/result.ts";
import { median, percentile } from "../../../bench/statistics.ts";

describe("median and percentile", () => {
  test("of known lists", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
    expect([0.5, 0.99, 0.999, 1].map((part) => percentile(hundred, part))).toEqual([
      50, 99, 100, 100,
    ]);
    expect(percentile([7], 0.5)).toBe(7);
    expect(() => median([])).toThrow();
    expect(() => percentile([], 0.5)).toThrow();
  });

  test("a percentile is the smallest value that enough values do not exceed", () => {
    const values = fc.array(fc.integer(), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (list, fraction) => {
        const sorted = list.toSorted((left, right) => left - right);
        const found = percentile(sorted, fraction);
        const notAbove = sorted.filter((value) => value <= found).length;
        const below = sorted.filter((value) => value < found).length;
        expect(notAbove).toBeGreaterThanOrEqual(fraction * sorted.length);
        expect(below).toBeLessThan(fraction * sorted.length);
      }),
    );
  });
});

/** CPU figures of three rounds for nutcracker (always 10) and proxy. */
function resultWith(commit: string, proxyCpu: readonly number[]): Result {
  const rounds = (cpu: readonly number[]) =>
    cpu.map((cpuMicrosPerRequest) => ({
      requests: 1000,
      requestsPerSecond: 50_000,
      cpuMicrosPerRequest,
    }));
  const row = (proxy: string, cpu: readonly number[]) => ({
    workload: "GET 100B P16",
    proxy,
    cpuRatioMax: 0.45,
    rounds: rounds(cpu),
  });
  return {
    version: RESULT_VERSION,
    startedAt: "2026-01-01T00:00:00.000Z",
    machine: {
      cores: 2,
      cpu: "cpu",
      kernel: "6",
      memoryMib: 1,
      bun: "1",
      redis: "7",
      memcached: "1",
      commit,
    },
    settings: { rounds: 3, secondsPerRound: 1 },
    base: "nutcracker",
    proxies: [],
    throughput: [row("nutcracker", [10, 10, 10]), row("proxy", proxyCpu)],
    latency: [],
    memory: [],
  };
}

describe("ratios", () => {
  test("pair the rounds of one number", () => {
    const cpu = ratioOf([2, 40, 6], [1, 10, 2], (value) => value);
    expect(cpu).toEqual({ median: 3, least: 2, most: 4 });
  });

  test("stand beside their bar in the report", () => {
    expect(toMarkdown(resultWith("a", [4, 4.5, 3]))).toContain("| 0.40 (0.30–0.45) | ≤ 0.45 met |");
    expect(toMarkdown(resultWith("a", [5, 6, 4]))).toContain("≤ 0.45 MISSED");
  });
});

describe("compare", () => {
  const before = resultWith("before", [5, 5.2, 4.8]);

  test("tells a change from noise", () => {
    const line = (after: Result): string | undefined =>
      compareResults(before, after)
        .split("\n")
        .find((text) => text.startsWith("| GET 100B P16 CPU"));
    expect(line(resultWith("after", [2.5, 2.6, 2.4]))).toContain("| 0.50 | 0.25 | 0.50 | better |");
    expect(line(resultWith("after", [7.5, 7.6, 7.4]))).toContain("| 1.50 | WORSE |");
    expect(line(resultWith("after", [5.2, 5.3, 5.1]))).toEndWith("| 1.04 |  |");
  });

  test("says when there is nothing to compare", () => {
    expect(compareResults(before, { ...before, throughput: [] })).toContain("nothing in common");
  });
});
