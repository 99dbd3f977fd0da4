/** The result of a run: what `--json` writes and `bench/compare.ts` reads. */
import { readFileSync } from "node:fs";
import type { HistogramText } from "./latency-histogram.ts";
import type { Memory } from "./proc.ts";
import type { ProxyRole } from "./proxies.ts";

/** Raised when a field changes its meaning. */
export const RESULT_VERSION = 3;

export interface Result {
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly machine: MachineFacts;
  readonly settings: { readonly rounds: number; readonly secondsPerRound: number };
  readonly proxies: readonly ProxyFacts[];
  readonly throughput: readonly ThroughputRow[];
  readonly capacities: readonly Capacity[];
  readonly latency: readonly LatencyRow[];
  readonly badDay: readonly BadDayRow[];
  readonly memory: readonly MemoryRow[];
  /** Parts of the run that failed as a whole, and why. */
  readonly failures: readonly string[];
}

export interface ProxyFacts {
  readonly name: string;
  readonly role: ProxyRole;
  readonly version: string;
}

export interface MachineFacts {
  readonly cores: number;
  readonly cpu: string;
  readonly kernel: string;
  readonly memoryMib: number;
  readonly bun: string;
  readonly redis: string;
  readonly memcached: string;
  /** Of the working tree that the benchmark ran from; "-dirty" when it had changes. */
  readonly commit: string;
  /** Load average of the last minute when the run began: above 0.5 other programs were busy. */
  readonly loadAtStart: number;
}

export interface ThroughputRow {
  readonly workload: string;
  readonly proxy: string;
  readonly cpuRatioMax: number | null;
  /** Round n of one proxy ran beside round n of every other. */
  readonly rounds: readonly ThroughputRound[];
  /** Why there are no (more) rounds; null: all is well. */
  readonly failure: string | null;
}

export interface ThroughputRound {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** User and system time of all threads of all the proxy's processes, µs. */
  readonly cpuMicrosPerRequest: number;
  /** Share of the round that the load generator itself used of one core: near 1 the rate is its own limit. */
  readonly generatorBusy: number;
}

/** Requests per second at depth 1, closed loop, as the latency generator found it. */
export interface Capacity {
  /** A proxy's name, or "direct". */
  readonly proxy: string;
  readonly requestsPerSecond: number;
}

export interface LatencyRow {
  /** A proxy's name, or "direct": the servers without a proxy. */
  readonly proxy: string;
  /** Share of the weakest proxy's maximum; null when the rate was given. */
  readonly load: number | null;
  readonly requestsPerSecond: number;
  /** Round n of one proxy ran beside round n of every other and of "direct". */
  readonly rounds: readonly LatencyRound[];
}

export interface LatencyRound {
  /** From the moment a request was due until its reply was complete. */
  readonly latency: HistogramText;
  /** How late the generator itself sent, p99 in µs: the part of the figures that is its own. */
  readonly lateP99: number;
  /** CPU of the proxy's processes per request, µs; 0 for "direct". */
  readonly cpuMicrosPerRequest: number;
}

export interface BadDayRow {
  readonly incident: string;
  readonly proxy: string;
  readonly requestsPerSecond: number;
  /** Client connections that were closed on them. */
  readonly cut: number;
  /** What else is to be said. */
  readonly remark: string;
  /** Why there are no figures; null: all is well. */
  readonly failure: string | null;
  readonly groups: readonly BadDayGroup[];
}

export interface BadDayGroup {
  /** Which keys these clients ask for. */
  readonly keys: string;
  readonly windows: readonly BadDayWindow[];
}

/** A quarter of a second. Microseconds, of the requests due in it that were answered well. */
export interface BadDayWindow {
  readonly answered: number;
  readonly p50: number;
  readonly p999: number;
  /** Answered with an error or with nil. */
  readonly errors: number;
  /** Never answered. */
  readonly lost: number;
}

export interface MemoryRow {
  readonly proxy: string;
  readonly connections: number;
  readonly depth: number;
  readonly start: Memory;
  /** The highest sum seen while the pipelines ran. */
  readonly peak: Memory;
  /** All pipelines answered, connections still open. */
  readonly held: Memory;
  /** Some seconds after all clients left. */
  readonly left: Memory;
}

export function readResult(path: string): Result {
  const result = JSON.parse(readFileSync(path, "utf8")) as Result;
  if (result.version !== RESULT_VERSION) {
    throw new Error(
      `${path}: result version ${result.version}, this program reads ${RESULT_VERSION}`,
    );
  }
  return result;
}
