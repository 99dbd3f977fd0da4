/** Closed loop: 50 connections, each sends its next requests when the last ones are answered. */
import { runToEnd } from "./children.ts";
import { type KeySpace, keySpaceFor } from "./key-space.ts";
import { sideOf } from "./load-side.ts";
import { cpuBetween, cpuSnapshot } from "./proc.ts";
import { processesOf, type RunningProxy } from "./proxies.ts";
import type { ThroughputRound, ThroughputRow } from "./result.ts";
import { CLIENTS, type Workload } from "./workloads.ts";

/** Every connection's port stays unusable for a while: bounded, so that a run does not use them all up. */
const SHORT_LIVED_REQUESTS_MAX = 10_000;
const REQUESTS_MAX = 20_000_000;
/** Seconds of load before the first round, for caches and compilers. */
const WARM_UP_SECONDS = 0.4;
const ROUND_TIMEOUT_MS = 60_000;

export interface RoundSettings {
  readonly rounds: number;
  readonly secondsPerRound: number;
}

/** Measures one workload on all proxies: A B, B A, A B … */
export async function measureThroughput(
  workload: Workload,
  proxies: readonly RunningProxy[],
  servers: readonly number[],
  settings: RoundSettings,
): Promise<readonly ThroughputRow[]> {
  const space = keySpaceFor(workload.valueBytes);
  const side = sideOf(workload.protocol);
  await side.fill(servers, space);
  // All are checked before any is loaded: the load of a SET workload overwrites what the check looks for.
  for (const proxy of proxies) await side.check(proxy.port, space, proxy.name);
  const plans = [];
  for (const proxy of proxies) {
    const requests = await calibrate(proxy, workload, space, settings.secondsPerRound);
    plans.push({ proxy, requests, rounds: [] as ThroughputRound[] });
  }
  for (let round = 0; round < settings.rounds; round += 1) {
    const order = round % 2 === 0 ? plans : plans.toReversed();
    for (const { proxy, requests, rounds } of order) {
      rounds.push(await runRound(proxy, workload, space, requests));
    }
  }
  return plans.map(({ proxy, rounds }) => ({
    workload: workload.name,
    proxy: proxy.name,
    cpuRatioMax: workload.cpuRatioMax,
    rounds,
  }));
}

/** Warms the proxy up and finds how many requests keep it busy for about the wanted time. */
async function calibrate(
  proxy: RunningProxy,
  workload: Workload,
  space: KeySpace,
  seconds: number,
): Promise<number> {
  const few = await runRound(proxy, workload, space, wholeBatches(workload, 0));
  const some = wholeBatches(workload, few.requestsPerSecond * WARM_UP_SECONDS);
  const warm = await runRound(proxy, workload, space, some);
  return wholeBatches(workload, warm.requestsPerSecond * seconds);
}

/** The generators send whole pipelines only: with a multiple of them the number of requests is exact. */
function wholeBatches(workload: Workload, wanted: number): number {
  const batch = CLIENTS * workload.depth;
  const limit = workload.isShortLived ? SHORT_LIVED_REQUESTS_MAX : REQUESTS_MAX;
  return Math.max(10, Math.ceil(Math.min(wanted, limit) / batch)) * batch;
}

async function runRound(
  proxy: RunningProxy,
  workload: Workload,
  space: KeySpace,
  requests: number,
): Promise<ThroughputRound> {
  const before = cpuSnapshot(processesOf(proxy));
  const side = sideOf(workload.protocol);
  const command = side.command(proxy.port, workload, space, requests);
  const output = await runToEnd(command, ROUND_TIMEOUT_MS, `${proxy.name}, ${workload.name}`);
  const cpu = cpuBetween(before, cpuSnapshot(processesOf(proxy)));
  return {
    requests,
    requestsPerSecond: side.rateOf(output, proxy.name),
    cpuMicrosPerRequest: cpu / 1_000 / requests,
  };
}
