/**
 * Compares two results of `bench/main.ts`: `bun bench/compare.ts before.json after.json`.
 *
 * What is compared are the ratios to the base proxy, so the two may come from different hours of one machine. For
 * the base proxy itself there is nothing to compare. A change counts only when the rounds of both do not overlap.
 */
import { baseRowOf, cpuOf, type Ratio, rateOf, ratioOf } from "./ratio.ts";
import { figure, table } from "./report.ts";
import { type LatencyRound, type Result, readResult, type ThroughputRound } from "./result.ts";

/** The change of each figure that both results have, as a Markdown table. */
export function compareResults(before: Result, after: Result): string {
  const rows = [
    ...throughputChanges(before, after, "CPU/request", cpuOf, true),
    ...throughputChanges(before, after, "requests/s", rateOf, false),
    ...latencyChanges(before, after),
    ...memoryChanges(before, after),
  ];
  if (rows.length === 0) return "The two results have nothing in common.\n";
  const note =
    before.base === after.base
      ? `Ratios to ${before.base}.`
      : `Careful: ratios to ${before.base} before, to ${after.base} after.`;
  const head = ["what", "proxy", "before", "after", "after / before", ""];
  return `${before.machine.commit} → ${after.machine.commit}. ${note} Memory: MiB.\n\n${table(head, rows)}\n`;
}

function throughputChanges(
  before: Result,
  after: Result,
  what: string,
  of: (round: ThroughputRound) => number,
  isLessBetter: boolean,
): string[][] {
  return before.throughput.flatMap((old) => {
    const now = after.throughput.find(
      (row) => row.workload === old.workload && row.proxy === old.proxy,
    );
    const oldBase = baseRowOf(before, old);
    const nowBase = now === undefined ? null : baseRowOf(after, now);
    if (now === undefined || oldBase === null || nowBase === null || old === oldBase) return [];
    const change = changeOf(
      ratioOf(old.rounds, oldBase.rounds, of),
      ratioOf(now.rounds, nowBase.rounds, of),
    );
    return [
      [`${old.workload} ${what}`, old.proxy, ...change.cells, judge(change.sign, isLessBetter)],
    ];
  });
}

function latencyChanges(before: Result, after: Result): string[][] {
  const figures: readonly (readonly [string, (round: LatencyRound) => number])[] = [
    ["p50", (round) => round.p50],
    ["p99", (round) => round.p99],
    ["p99.9", (round) => round.p999],
  ];
  const roundsOf = (result: Result, proxy: string): readonly LatencyRound[] | null =>
    result.latency.find((row) => row.proxy === proxy)?.rounds ?? null;
  const oldBase = roundsOf(before, before.base);
  const nowBase = roundsOf(after, after.base);
  if (oldBase === null || nowBase === null) return [];
  return before.latency.flatMap(({ proxy, rounds }) => {
    const now = roundsOf(after, proxy);
    if (now === null || proxy === before.base) return [];
    return figures.map(([name, of]) => {
      const change = changeOf(ratioOf(rounds, oldBase, of), ratioOf(now, nowBase, of));
      return [`latency ${name}`, proxy, ...change.cells, judge(change.sign, true)];
    });
  });
}

/** Memory does not depend on how busy the machine is: the figures themselves are compared, not ratios. */
function memoryChanges(before: Result, after: Result): string[][] {
  const moments = ["start", "peak", "held", "left"] as const;
  return before.memory.flatMap((old) => {
    const now = after.memory.find(({ proxy }) => proxy === old.proxy);
    if (now === undefined) return [];
    return moments.map((moment) => {
      const from = old[moment].rssKib / 1024;
      const to = now[moment].rssKib / 1024;
      return [`memory ${moment}`, old.proxy, figure(from), figure(to), figure(to / from), ""];
    });
  });
}

/** `sign` is 0 when the spreads of the two overlap: then the difference may be chance. */
function changeOf(before: Ratio, after: Ratio): { cells: string[]; sign: number } {
  const cells = [before.median, after.median, after.median / before.median].map(figure);
  if (after.least > before.most) return { cells, sign: 1 };
  return { cells, sign: after.most < before.least ? -1 : 0 };
}

function judge(sign: number, isLessBetter: boolean): string {
  if (sign === 0) return "";
  return sign < 0 === isLessBetter ? "better" : "WORSE";
}

if (import.meta.main) {
  const [before, after] = process.argv.slice(2);
  if (before === undefined || after === undefined) {
    process.stderr.write("usage: bun bench/compare.ts BEFORE.json AFTER.json\n");
    process.exit(2);
  }
  process.stdout.write(compareResults(readResult(before), readResult(after)));
}
