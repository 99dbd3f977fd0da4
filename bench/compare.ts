/**
 * Compares two results of `bench/main.ts`: `bun bench/compare.ts before.json after.json`.
 *
 * What is compared are ratios to a peer that both results have, so the two may come from different hours of one machine:
 * for CPU time and rates to the peer that was best before, for latencies to the first one. Of peers there is
 * nothing to compare. A change counts only when the rounds of both do not overlap.
 */
import { figure, table } from "./markdown.ts";
import { bestPeerOf, cpuOf, isPeer, percentileOf, rateOf, ratioOf, type Spread } from "./ratio.ts";
import { type LatencyRow, type Result, readResult, type ThroughputRound } from "./result.ts";

/** The change of each figure that both results have, as a Markdown table. */
export function compareResults(before: Result, after: Result): string {
  const rows = [
    ...throughputChanges(before, after, "CPU/request", cpuOf, true),
    ...throughputChanges(before, after, "requests/s", rateOf, false),
    ...latencyChanges(before, after),
    ...memoryChanges(before, after),
  ];
  if (rows.length === 0) return "The two results have nothing in common.\n";
  const head = ["what", "proxy", "before", "after", "after / before", ""];
  const commits = `${before.machine.commit} → ${after.machine.commit}`;
  return `${commits}. Ratios to the peer that was best before; memory in MiB.\n\n${table(head, rows)}\n`;
}

function throughputChanges(
  before: Result,
  after: Result,
  what: string,
  of: (round: ThroughputRound) => number,
  isLessBetter: boolean,
): string[][] {
  return before.throughput.flatMap((old) => {
    const find = (proxy: string) =>
      after.throughput.find((row) => row.workload === old.workload && row.proxy === proxy);
    const oldPeer = bestPeerOf(before, old.workload);
    const now = find(old.proxy);
    const nowPeer = oldPeer === null ? undefined : find(oldPeer.proxy);
    if (oldPeer === null || now === undefined || nowPeer === undefined) return [];
    if (isPeer(before, old.proxy) || old.rounds.length === 0 || now.rounds.length === 0) return [];
    const change = changeOf(ratioOf(old, oldPeer, of), ratioOf(now, nowPeer, of));
    return [
      [`${old.workload} ${what}`, old.proxy, ...change.cells, judge(change.sign, isLessBetter)],
    ];
  });
}

function latencyChanges(before: Result, after: Result): string[][] {
  const peer = before.proxies.find(({ role }) => role === "peer")?.name;
  return before.latency.flatMap((old) => {
    // The rates follow from what the machine could do, so they are told apart by their share of it.
    const find = (result: Result, proxy: string | undefined): LatencyRow | undefined =>
      result.latency.find((row) => row.proxy === proxy && row.load === old.load);
    const [oldPeer, nowPeer, now] = [
      ...[find(before, peer), find(after, peer)],
      find(after, old.proxy),
    ];
    if (oldPeer === undefined || nowPeer === undefined || now === undefined) return [];
    if (isPeer(before, old.proxy)) return [];
    const load = old.load === null ? `${old.requestsPerSecond}/s` : `${old.load * 100} %`;
    return [0.5, 0.99, 0.999].map((fraction) => {
      const of = percentileOf(fraction);
      const change = changeOf(ratioOf(old, oldPeer, of), ratioOf(now, nowPeer, of));
      const what = `latency at ${load} p${fraction * 100}`;
      return [what, old.proxy, ...change.cells, judge(change.sign, true)];
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
function changeOf(before: Spread, after: Spread): { cells: string[]; sign: number } {
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
