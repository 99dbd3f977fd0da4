/**
 * Latency at fixed rates: every proxy, and the servers without a proxy as the floor, in short slices that alternate, all
 * from one load generator.
 */
import { Generator } from "./generator.ts";
import { type KeySpace, keySpaceFor } from "./key-space.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { SliceOrder, SliceReport } from "./load/open-loop.ts";
import { cpuBetween, cpuSnapshot } from "./proc.ts";
import type { Capacity, LatencyRound, LatencyRow } from "./result.ts";
import { processesOf, type RunningProxy } from "./running-proxy.ts";
import { checkReplies, fill } from "./servers.ts";
import { median } from "./statistics.ts";
import type { RoundSettings } from "./throughput.ts";
import { CLIENTS, VALUE_BYTES_SMALL } from "./workloads.ts";

export const DIRECT = "direct";
const WARM_UP_SECONDS = 0.2;
const CAPACITY_ROUNDS = 3;
const CAPACITY_SECONDS = 1;

export interface LatencySettings extends RoundSettings {
  /** Shares of the weakest proxy's maximum. */
  readonly loads: readonly number[];
  /** Requests per second instead of shares of the maximum; null: as measured. */
  readonly requestsPerSecond: number | null;
}

interface Target {
  readonly name: string;
  readonly ports: readonly number[];
  readonly proxy: RunningProxy | null;
}

export interface LatencyResult {
  readonly capacities: readonly Capacity[];
  readonly rows: readonly LatencyRow[];
}

/** @param progress told about every rate before it is measured. */
export async function measureLatency(
  proxies: readonly RunningProxy[],
  servers: readonly number[],
  settings: LatencySettings,
  progress: (text: string) => void,
): Promise<LatencyResult> {
  const space = keySpaceFor(VALUE_BYTES_SMALL);
  await fill(servers, space);
  for (const proxy of proxies) await checkReplies(proxy.port, space, proxy.name);
  const targets: Target[] = [
    { name: DIRECT, ports: servers, proxy: null },
    ...proxies.map((proxy) => ({ name: proxy.name, ports: [proxy.port], proxy })),
  ];
  const generator = new Generator({ connections: CLIENTS, valueBytes: space.valueBytes });
  const capacities = await measureCapacities(generator, targets, space);
  const rows: LatencyRow[] = [];
  for (const { load, requestsPerSecond } of ratesOf(settings, capacities)) {
    progress(`latency at ${requestsPerSecond} requests/s`);
    rows.push(...(await measureRate(generator, targets, space, settings, requestsPerSecond, load)));
  }
  await generator.end();
  return { capacities, rows };
}

/** Requests per second at depth 1 of each target, closed loop, from the generator that the latencies come from. */
export async function measureCapacities(
  generator: Generator,
  targets: readonly Pick<Target, "name" | "ports">[],
  space: KeySpace,
): Promise<readonly Capacity[]> {
  const found = targets.map((target) => ({ ...target, rates: [] as number[] }));
  for (let round = 0; round < CAPACITY_ROUNDS; round += 1) {
    for (const { name, ports, rates } of found) {
      const order = sliceOrder(ports, space, null, CAPACITY_SECONDS);
      const { answered, seconds } = await generator.slice(order, name);
      rates.push(answered / seconds);
    }
  }
  return found.map(({ name, rates }) => ({
    proxy: name,
    requestsPerSecond: Math.round(median(rates)),
  }));
}

/** What the weakest proxy can do: nothing is measured at a rate that a target cannot serve. */
export function weakestOf(capacities: readonly Capacity[]): number {
  return Math.min(...capacities.map(({ requestsPerSecond }) => requestsPerSecond));
}

function ratesOf(
  settings: LatencySettings,
  capacities: readonly Capacity[],
): readonly { readonly load: number | null; readonly requestsPerSecond: number }[] {
  const { requestsPerSecond } = settings;
  if (requestsPerSecond !== null) return [{ load: null, requestsPerSecond }];
  const most = weakestOf(capacities);
  return settings.loads.map((load) => ({ load, requestsPerSecond: Math.round(load * most) }));
}

async function measureRate(
  generator: Generator,
  targets: readonly Target[],
  space: KeySpace,
  settings: RoundSettings,
  requestsPerSecond: number,
  load: number | null,
): Promise<readonly LatencyRow[]> {
  const rows = targets.map((target) => ({ target, rounds: [] as LatencyRound[] }));
  for (let round = 0; round < settings.rounds; round += 1) {
    for (const { target, rounds } of round % 2 === 0 ? rows : rows.toReversed()) {
      const { ports, proxy, name } = target;
      const before = proxy === null ? null : cpuSnapshot(processesOf(proxy));
      const seconds = settings.secondsPerRound;
      const order = sliceOrder(ports, space, requestsPerSecond, seconds);
      const report = await generator.slice(order, name);
      const used =
        proxy === null || before === null ? 0 : cpuBetween(before, cpuSnapshot(processesOf(proxy)));
      rounds.push(roundOf(report, used));
    }
  }
  return rows.map(({ target, rounds }) => ({
    proxy: target.name,
    load,
    requestsPerSecond,
    rounds,
  }));
}

function sliceOrder(
  ports: readonly number[],
  space: KeySpace,
  requestsPerSecond: number | null,
  seconds: number,
): SliceOrder {
  const keys = Array.from({ length: space.keys }, (_, key) => key);
  return {
    ...{ ports, requestsPerSecond, seconds, warmUpSeconds: WARM_UP_SECONDS, windows: 1 },
    ...{ groups: [{ connections: CLIENTS, keys }], isBadDay: false },
  };
}

function roundOf(report: SliceReport, cpuNs: number): LatencyRound {
  const latency = report.groups[0]![0]!.latency;
  const lateness = LatencyHistogram.from(report.lateness);
  return {
    latency,
    lateP99: lateness.percentileMicros(0.99),
    cpuMicrosPerRequest: cpuNs / 1e3 / report.sent,
  };
}
