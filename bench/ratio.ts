/** Figures of one row in relation to another: what a result is judged and compared by. */
import { LatencyHistogram } from "./latency-histogram.ts";
import type {
  LatencyRound,
  LatencyRow,
  ProxyFacts,
  Result,
  ThroughputRound,
  ThroughputRow,
} from "./result.ts";
import { median } from "./statistics.ts";

/** The middle of several rounds' figures, and how far they spread. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Rows with rounds in the order in which they ran. */
interface Rounds<Round> {
  readonly rounds: readonly Round[];
}

export function cpuOf(round: ThroughputRound): number {
  return round.cpuMicrosPerRequest;
}

export function rateOf(round: ThroughputRound): number {
  return round.requestsPerSecond;
}

/** The peer that uses the least CPU time per request in this workload; null when none was measured. */
export function bestPeerOf(result: Result, workload: string): ThroughputRow | null {
  const peers = result.throughput.filter(
    (row) => row.workload === workload && isPeer(result, row.proxy) && row.rounds.length > 0,
  );
  return least(peers, (row) => median(row.rounds.map(cpuOf)));
}

/** What those columns show that are compared with the best peer: this project's builds. */
export function isCompared({ role }: ProxyFacts): boolean {
  return role === "own" || role === "given";
}

export function isPeer(result: Result, proxy: string): boolean {
  return result.proxies.find(({ name }) => name === proxy)?.role === "peer";
}

/**
 * One proxy's figure divided by the other's, round by round: the rounds of one number ran directly after each other,
 * so whatever else the machine did then fell on both.
 */
export function ratioOf<Round>(
  row: Rounds<Round>,
  base: Rounds<Round>,
  figure: (round: Round) => number,
): Spread {
  return spreadOf(pairs(row, base, (round, other) => figure(round) / figure(other)));
}

/** The same with the difference: what a proxy adds to the floor. */
export function differenceOf<Round>(
  row: Rounds<Round>,
  base: Rounds<Round>,
  figure: (round: Round) => number,
): Spread {
  return spreadOf(pairs(row, base, (round, other) => figure(round) - figure(other)));
}

export function percentileOf(fraction: number): (round: LatencyRound) => number {
  return ({ latency }) => LatencyHistogram.from(latency).percentileMicros(fraction);
}

/** All rounds of a row as one. */
export function wholeOf(row: LatencyRow): LatencyHistogram {
  const whole = new LatencyHistogram();
  for (const { latency } of row.rounds) whole.add(latency);
  return whole;
}

export function least<Item>(items: readonly Item[], figure: (item: Item) => number): Item | null {
  return items.reduce<Item | null>(
    (best, item) => (best === null || figure(item) < figure(best) ? item : best),
    null,
  );
}

function pairs<Round>(
  row: Rounds<Round>,
  base: Rounds<Round>,
  of: (round: Round, other: Round) => number,
): number[] {
  const count = Math.min(row.rounds.length, base.rounds.length);
  return Array.from({ length: count }, (_, n) => of(row.rounds[n]!, base.rounds[n]!));
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}
