/** Closed loop: each connection sends its next requests when the last ones are answered. */
import { runMeasured } from "./children.ts";
import { type KeySpace, keySpaceFor } from "./key-space.ts";
import { sideOf } from "./load-side.ts";
import { cpuBetween, cpuSnapshot } from "./proc.ts";
import type { ThroughputRound, ThroughputRow } from "./result.ts";
import { processesOf, type RunningProxy } from "./running-proxy.ts";
import { keysOf, speechOf, type Workload } from "./workloads.ts";

/** Every connection's port stays unusable for a while: bounded, so that a run does not use them all up. */
const SHORT_LIVED_REQUESTS_MAX = 10_000;
const REQUESTS_MAX = 20_000_000;
/** Pipelines of each connection in the shortest round. */
const PIPELINES_MIN = 4;
/** What the first guess at a proxy's rate is made from. */
const PROBE_REQUESTS_MAX = 2_000;
const PROBE_BYTES = 32 * 1024 * 1024;
/** Load before the first round, for caches and compilers: so many requests, or so long if that is reached before. */
const WARM_UP_REQUESTS = 30_000;
const WARM_UP_SECONDS = 2;
const WARM_UP_SECONDS_MAX = 8;
const WARM_UP_ROUND_SECONDS = 0.4;
/** A round that used less than this part of the CPU time of the one before says that it goes on getting faster. */
const STILL_WARMING = 0.93;
const ROUND_TIMEOUT_MS = 60_000;

export interface RoundSettings {
  readonly rounds: number;
  readonly secondsPerRound: number;
}

interface Plan {
  readonly proxy: RunningProxy;
  readonly rounds: ThroughputRound[];
  requests: number;
  failure: string | null;
}

/**
 * Measures one workload on all proxies that understand it: A B, B A, A B … A proxy that fails has no more rounds; the
 * others go on.
 */
export async function measureThroughput(
  workload: Workload,
  all: readonly RunningProxy[],
  servers: readonly number[],
  settings: RoundSettings,
): Promise<readonly ThroughputRow[]> {
  const proxies = all.filter(({ kind }) => kind.speaks.includes(speechOf(workload)));
  const space = keySpaceFor(workload.valueBytes);
  const side = sideOf(workload.protocol);
  await side.fill(servers, space);
  const plans: Plan[] = proxies.map((proxy) => ({ proxy, requests: 0, rounds: [], failure: null }));
  // All are checked before any is loaded: the load of a SET workload overwrites what the check looks for.
  for (const plan of plans)
    await attempt(plan, () =>
      side.check(plan.proxy.port, space, speechOf(workload), plan.proxy.name),
    );
  for (const plan of plans) {
    await attempt(plan, async () => {
      plan.requests = await calibrate(plan.proxy, workload, space, settings.secondsPerRound);
    });
  }
  for (let round = 0; round < settings.rounds; round += 1) {
    for (const plan of round % 2 === 0 ? plans : plans.toReversed()) {
      await attempt(plan, async () => {
        plan.rounds.push(await runRound(plan.proxy, workload, space, plan.requests));
      });
    }
  }
  return plans.map(({ proxy, rounds, failure }) => ({
    workload: workload.name,
    proxy: proxy.name,
    cpuRatioMax: workload.cpuRatioMax,
    rounds,
    failure,
  }));
}

async function attempt(plan: Plan, act: () => Promise<void>): Promise<void> {
  if (plan.failure !== null) return;
  try {
    await act();
  } catch (error) {
    plan.failure = error instanceof Error ? error.message : String(error);
  }
}

/**
 * Warms the proxy up and finds how many requests keep it busy for about the wanted time. A compiled program is warm at
 * once; one that is compiled while it runs is after some ten thousand requests of a kind, when its CPU time per request
 * no longer falls.
 */
async function calibrate(
  proxy: RunningProxy,
  workload: Workload,
  space: KeySpace,
  seconds: number,
): Promise<number> {
  const probe = PROBE_BYTES / (workload.valueBytes * keysOf(workload.command));
  const first = wholeBatches(workload, Math.min(PROBE_REQUESTS_MAX, probe));
  let last = await runRound(proxy, workload, space, first);
  let warmRequests = 0;
  let warmSeconds = 0;
  for (let isWarm = false; !isWarm && warmSeconds < WARM_UP_SECONDS_MAX; ) {
    const requests = wholeBatches(workload, last.requestsPerSecond * WARM_UP_ROUND_SECONDS);
    const next = await runRound(proxy, workload, space, requests);
    warmRequests += next.requests;
    warmSeconds += next.requests / next.requestsPerSecond;
    const isEnough = warmRequests >= WARM_UP_REQUESTS || warmSeconds >= WARM_UP_SECONDS;
    isWarm = isEnough && next.cpuMicrosPerRequest > last.cpuMicrosPerRequest * STILL_WARMING;
    last = next;
  }
  return wholeBatches(workload, last.requestsPerSecond * seconds);
}

/** The generators send whole pipelines only: with a multiple of them the number of requests is exact. */
function wholeBatches(workload: Workload, wanted: number): number {
  const batch = workload.clients * workload.depth;
  const limit = workload.isShortLived ? SHORT_LIVED_REQUESTS_MAX : REQUESTS_MAX;
  return Math.max(PIPELINES_MIN, Math.ceil(Math.min(wanted, limit) / batch)) * batch;
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
  const ended = await runMeasured(command, ROUND_TIMEOUT_MS, `${proxy.name}, ${workload.name}`);
  const cpu = cpuBetween(before, cpuSnapshot(processesOf(proxy)));
  const requestsPerSecond = side.rateOf(ended.stdout, proxy.name);
  return {
    requests,
    requestsPerSecond,
    cpuMicrosPerRequest: cpu / 1_000 / requests,
    generatorBusy: (ended.cpuSeconds * requestsPerSecond) / requests,
  };
}
