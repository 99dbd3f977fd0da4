/** One look at what was counted, and what came between two of them. */
import type { HistogramFigures, PoolFigures, SetFigures, StatsLayout } from "../../api/stats.ts";
import { POOL } from "../../api/stats.ts";
import { poolsOf } from "../../metrics/directory.ts";
import { latencyRows } from "../../metrics/latency-rows.ts";
import { since } from "../../metrics/percentiles.ts";

export interface Sample {
  /** By a monotonic clock. */
  readonly takenMs: number;
  readonly pools: readonly PoolFigures[];
  /** Histograms of times, by `timeKey`. */
  readonly times: ReadonlyMap<string, HistogramFigures>;
  /** Requests received, by the worker's slot. */
  readonly slotRequests: readonly number[];
}

export interface Counted {
  readonly pools: readonly PoolFigures[];
  readonly sets: readonly SetFigures[];
  readonly layout: StatsLayout;
  readonly memory: Float64Array;
}

export const NO_TIMES: HistogramFigures = { count: 0, sum: 0, buckets: [] };

/** @param of "all", a family of commands, or "server NAME" */
export function timeKey(pool: string, of: string, time: string): string {
  return `${pool}\n${of}\n${time}`;
}

export function takeSample({ pools, sets, layout, memory }: Counted, takenMs: number): Sample {
  const times = new Map<string, HistogramFigures>();
  for (const { pool, of, time, figures } of latencyRows(sets)) {
    times.set(timeKey(pool, of, time), figures);
  }
  return { takenMs, pools, times, slotRequests: requestsBySlot(layout, memory) };
}

function requestsBySlot(layout: StatsLayout, memory: Float64Array): number[] {
  const places = poolsOf(layout);
  return Array.from({ length: layout.slots }, (_, slot) => {
    const region = slot * layout.stride;
    return places.reduce((sum, { base }) => sum + memory[region + base + POOL.requests]!, 0);
  });
}

/** What came between two samples. */
export class Span {
  readonly now: Sample;
  readonly seconds: number;
  readonly #before: Sample;
  readonly #poolsBefore: ReadonlyMap<string, PoolFigures>;
  readonly #serversBefore: ReadonlyMap<string, ServerFigures>;

  constructor(before: Sample, now: Sample) {
    this.now = now;
    this.#before = before;
    this.seconds = Math.max(0.001, (now.takenMs - before.takenMs) / 1000);
    this.#poolsBefore = new Map(before.pools.map((pool) => [pool.name, pool]));
    this.#serversBefore = new Map(
      before.pools.flatMap(({ name, servers }) =>
        servers.map((server): [string, ServerFigures] => [`${name}\n${server.name}`, server]),
      ),
    );
  }

  times(pool: string, of: string, time: string): HistogramFigures {
    const key = timeKey(pool, of, time);
    const figures = this.now.times.get(key);
    if (figures === undefined) return NO_TIMES;
    const old = this.#before.times.get(key);
    return old === undefined ? figures : since(figures, old);
  }

  /** How much a pool's counter has grown in a second. */
  poolRate(pool: PoolFigures, ...names: readonly (keyof PoolFigures["counters"])[]): number {
    const old = this.#poolsBefore.get(pool.name);
    return this.#rate(names.map((name) => pool.counters[name] - (old?.counters[name] ?? 0)));
  }

  serverRate(
    pool: string,
    server: ServerFigures,
    ...names: readonly (keyof ServerFigures["counters"])[]
  ): number {
    const old = this.#serversBefore.get(`${pool}\n${server.name}`);
    return this.#rate(names.map((name) => server.counters[name] - (old?.counters[name] ?? 0)));
  }

  slotRate(slot: number): number {
    const old = this.#before.slotRequests[slot] ?? 0;
    return this.#rate([(this.now.slotRequests[slot] ?? old) - old]);
  }

  #rate(growths: readonly number[]): number {
    return growths.reduce((sum, growth) => sum + Math.max(0, growth), 0) / this.seconds;
  }
}

export type ServerFigures = PoolFigures["servers"][number];
