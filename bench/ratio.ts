/** Figures of one row in relation to another: what a result is judged and compared by. */
import type { LatencyRow, Result, ThroughputRound, ThroughputRow } from "./result.ts";
import { median } from "./statistics.ts";

export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The base proxy's row of the same workload; null when the base was not measured. */
export function baseRowOf(result: Result, row: ThroughputRow): ThroughputRow | null {
  const isBase = (other: ThroughputRow): boolean =>
    other.proxy === result.base && other.workload === row.workload;
  return result.throughput.find(isBase) ?? null;
}

export function baseLatencyOf(result: Result): LatencyRow | null {
  return result.latency.find(({ proxy }) => proxy === result.base) ?? null;
}

/**
 * One proxy's figure divided by the other's, round by round: the rounds of one number ran directly after each other,
 * so whatever else the machine did then fell on both.
 */
export function ratioOf<Round>(
  rounds: readonly Round[],
  baseRounds: readonly Round[],
  figure: (round: Round) => number,
): Ratio {
  const count = Math.min(rounds.length, baseRounds.length);
  const ratios = Array.from(
    { length: count },
    (_, n) => figure(rounds[n]!) / figure(baseRounds[n]!),
  );
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

export function cpuOf(round: ThroughputRound): number {
  return round.cpuMicrosPerRequest;
}

export function rateOf(round: ThroughputRound): number {
  return round.requestsPerSecond;
}
