import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compareResults } from "../../../bench/compare.ts";
import { LatencyHistogram } from "../../../bench/latency-histogram.ts";
import { putIntoPage, sparkline } from "../../../bench/markdown.ts";
import { bestPeerOf, differenceOf, ratioOf } from "../../../bench/ratio.ts";
import { toMarkdown } from "../../../bench/report.ts";
import { type BadDayWindow, RESULT_VERSION, type Result } from "../../../bench/result.ts";
import { median, medianInterval, percentile } from "../../../bench/statistics.ts";

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

  test("how sure a median is: a list that is all alike leaves no doubt", () => {
    expect(medianInterval([5, 5, 5, 5])).toEqual([5, 5]);
    const [low, high] = medianInterval(Array.from({ length: 101 }, (_, n) => n));
    expect(low).toBeGreaterThan(25);
    expect(low).toBeLessThan(50);
    expect(high).toBeGreaterThan(50);
    expect(high).toBeLessThan(75);
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

describe("latency histogram", () => {
  const micros = fc.double({ min: 0, max: 1e8, noNaN: true });

  test("no percentile is too low, nor more than a thirty-second too high", () => {
    fc.assert(
      fc.property(
        fc.array(micros, { minLength: 1 }),
        fc.constantFrom(0.5, 0.99, 1),
        (list, part) => {
          const histogram = new LatencyHistogram();
          for (const value of list) histogram.record(value * 1e3);
          const exact = percentile(
            list.toSorted((left, right) => left - right),
            part,
          );
          const found = histogram.percentileMicros(part);
          expect(found).toBeGreaterThanOrEqual(exact - 1e-6);
          expect(found).toBeLessThanOrEqual(exact * (1 + 1 / 256) + 0.065);
          expect(histogram.count).toBe(list.length);
        },
      ),
    );
  });

  test("several add up, and nothing is lost on the way as text", () => {
    const [low, high] = [new LatencyHistogram(), new LatencyHistogram()];
    for (let n = 1; n <= 900; n += 1) low.record(n * 1e3);
    for (let n = 1; n <= 100; n += 1) high.record(1e9);
    const both = LatencyHistogram.from(JSON.parse(JSON.stringify(low.toText())));
    both.add(high.toText());
    expect([both.count, both.maxMicros, both.percentileMicros(0.95)]).toEqual([1000, 1e6, 1e6]);
    expect(both.percentileMicros(0.45) / 450).toBeCloseTo(1, 1);
  });
});

const MACHINE = {
  ...{ cores: 2, cpu: "cpu", kernel: "6", memoryMib: 1, bun: "1", redis: "7", memcached: "1" },
  ...{ commit: "a", loadAtStart: 0.1 },
};

/** CPU figures of three rounds of one workload: nutcracker always 10, predixy always 20. */
function resultWith(commit: string, proxyCpu: readonly number[]): Result {
  const row = (proxy: string, cpu: readonly number[]) => ({
    workload: "GET 100B P16",
    proxy,
    cpuRatioMax: 0.7,
    rounds: cpu.map((cpuMicrosPerRequest) => ({
      ...{ requests: 1000, requestsPerSecond: 50_000, cpuMicrosPerRequest, generatorBusy: 0.5 },
    })),
    failure: null,
  });
  return {
    version: RESULT_VERSION,
    startedAt: "2026-01-01T00:00:00.000Z",
    machine: { ...MACHINE, commit },
    settings: { rounds: 3, secondsPerRound: 1 },
    proxies: [
      { name: "nutcracker", role: "peer", version: "1" },
      { name: "predixy", role: "peer", version: "1" },
      { name: "haproxy", role: "floor", version: "1" },
      { name: "proxy", role: "own", version: "1" },
    ],
    throughput: [
      ...[row("nutcracker", [10, 10, 10]), row("predixy", [20, 20, 20])],
      ...[row("haproxy", [1, 1, 1]), row("proxy", proxyCpu)],
    ],
    ...{ capacities: [], latency: [], badDay: [], memory: [], failures: [] },
  };
}

describe("ratios", () => {
  test("pair the rounds of one number", () => {
    const [row, base] = [{ rounds: [2, 40, 6] }, { rounds: [1, 10, 2] }];
    const same = (value: number): number => value;
    expect(ratioOf(row, base, same)).toEqual({ median: 3, least: 2, most: 4 });
    expect(differenceOf(row, base, same)).toEqual({ median: 4, least: 1, most: 30 });
  });

  test("are taken to the peer that uses the least, which HAProxy is not", () => {
    const result = resultWith("a", [5, 5, 5]);
    expect(bestPeerOf(result, "GET 100B P16")?.proxy).toBe("nutcracker");
    expect(bestPeerOf({ ...result, proxies: [] }, "GET 100B P16")).toBe(null);
  });

  test("stand beside what is promised, and what is lost is listed", () => {
    const good = toMarkdown(resultWith("a", [4, 4.5, 3]));
    expect(good).toContain("| 0.40 (0.30–0.45) ≤ 0.7 | nutcracker |");
    expect(good).toContain("None in this run.");
    expect(toMarkdown(resultWith("a", [8, 8, 9]))).toContain("| **0.80 (0.80–0.90) > 0.7** |");
    const bad = toMarkdown(resultWith("a", [11, 12, 13]));
    expect(bad).toContain(
      "- GET 100B P16: proxy uses 1.20 (1.10–1.30) times the CPU of nutcracker",
    );
  });

  test("a proxy that failed is shown as such", () => {
    const result = resultWith("a", [5, 5, 5]);
    const throughput = result.throughput.map((row) =>
      row.proxy === "predixy" ? { ...row, rounds: [], failure: "it\ndied" } : row,
    );
    const text = toMarkdown({ ...result, throughput });
    expect(text).toContain("| failed |");
    expect(text).toContain("- GET 100B P16, predixy: it died");
  });
});

describe("latencies in the report", () => {
  const rounds = (micros: number) =>
    [1, 2, 3].map((round) => {
      const histogram = new LatencyHistogram();
      for (let n = 0; n < 2000; n += 1) histogram.record((n < 1990 ? 100 : micros * round) * 1e3);
      return { latency: histogram.toText(), lateP99: 5, cpuMicrosPerRequest: 10 };
    });
  const latency = (proxy: string, micros: number) => ({
    ...{ proxy, load: 0.3, requestsPerSecond: 9_000, rounds: rounds(micros) },
  });

  test("are the difference to direct in the same round, and judged by p99.9", () => {
    const result = {
      ...resultWith("a", [5, 5, 5]),
      latency: [latency("direct", 1000), latency("nutcracker", 1500), latency("proxy", 3000)],
    };
    const text = toMarkdown(result);
    expect(text).toContain("| 30 %, 9.00k requests/s | added p50 |");
    expect(text).toMatch(
      /- latency at 30 %, 9\.00k requests\/s: proxy adds 4\d{3} µs to p99\.9, nutcracker \d{3,4} µs/,
    );
  });
});

describe("the bad day in the report", () => {
  const quiet: BadDayWindow = { answered: 100, p50: 100, p999: 1000, errors: 0, lost: 0 };

  test("says how long p99.9 was disturbed", () => {
    const windows = Array.from({ length: 12 }, (_, n): BadDayWindow => {
      if (n === 9) return { ...quiet, p999: 50_000, errors: 3 };
      return n === 10 ? { ...quiet, answered: 0, p999: 0, lost: 7 } : quiet;
    });
    const row = {
      ...{ incident: "reload", proxy: "proxy", requestsPerSecond: 5_000, cut: 2, remark: "done" },
      failure: null,
      groups: [{ keys: "all keys", windows }],
    };
    const text = toMarkdown({ ...resultWith("a", [5]), badDay: [row] });
    expect(text).toContain("| reload, proxy, all keys | 1.00 | 50.0 | 0.50 | 3 | 7 | 2 |");
    expect(text).toContain("- reload, proxy: done");
  });

  test("bars are logarithmic", () => {
    expect(sparkline([1, 10, 100, 1000])).toBe("▁▃▆█");
    expect(sparkline([5, 5])).toBe("▁▁");
  });
});

test("figures go between the marks of a page, and replace a page without them", () => {
  const page = "# Title\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nrest\n";
  const wanted = "# Title\n<!-- figures: begin -->\n\nnew\n\n<!-- figures: end -->\nrest\n";
  expect(putIntoPage(page, "new\n")).toBe(wanted);
  expect(putIntoPage("other", "new\n")).toBe("new\n");
});

describe("compare", () => {
  const before = resultWith("before", [5, 5.2, 4.8]);

  test("tells a change from noise", () => {
    const line = (after: Result): string | undefined =>
      compareResults(before, after)
        .split("\n")
        .find((text) => text.startsWith("| GET 100B P16 CPU/request | proxy |"));
    expect(line(resultWith("after", [2.5, 2.6, 2.4]))).toContain("| 0.50 | 0.25 | 0.50 | better |");
    expect(line(resultWith("after", [7.5, 7.6, 7.4]))).toContain("| 1.50 | WORSE |");
    expect(line(resultWith("after", [5.2, 5.3, 5.1]))).toEndWith("| 1.04 |  |");
  });

  test("says when there is nothing to compare", () => {
    expect(compareResults(before, { ...before, throughput: [] })).toContain("nothing in common");
  });
});
