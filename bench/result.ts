/** The result of a run: what `--json` writes and `bench/compare.ts` reads. */
import { readFileSync } from "node:fs";
import type { Memory } from "./proc.ts";

/** Raised when a field changes its meaning. */
export const RESULT_VERSION = 1;

export interface Result {
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly machine: MachineFacts;
  readonly settings: { readonly rounds: number; readonly secondsPerRound: number };
  /** Name of the proxy that the others are put in relation to. */
  readonly base: string;
  readonly proxies: readonly { readonly name: string; readonly version: string }[];
  readonly throughput: readonly ThroughputRow[];
  readonly latency: readonly LatencyRow[];
  readonly memory: readonly MemoryRow[];
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
}

export interface ThroughputRow {
  readonly workload: string;
  readonly proxy: string;
  readonly cpuRatioMax: number | null;
  /** Round n of one proxy ran beside round n of every other. */
  readonly rounds: readonly ThroughputRound[];
}

export interface ThroughputRound {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** User and system time of all the proxy's processes, µs. */
  readonly cpuMicrosPerRequest: number;
}

export interface LatencyRow {
  /** A proxy's name, or "direct": one server without a proxy. */
  readonly proxy: string;
  readonly requestsPerSecond: number;
  readonly rounds: readonly LatencyRound[];
}

/** Microseconds from the moment a request was due until its reply was complete. */
export interface LatencyRound {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** How late the generator itself sent, p99 in µs: the part of the figures that is its own. */
  readonly lateP99: number;
  /** CPU of the proxy's processes per request, µs; 0 for "direct". */
  readonly cpuMicrosPerRequest: number;
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
