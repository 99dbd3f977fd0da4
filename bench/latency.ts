/** Latency at a fixed rate, each proxy for itself, in interleaved rounds; and of one server without a proxy, as the floor. */
import { join } from "node:path";
import { runToEnd } from "./children.ts";
import { keySpaceFor } from "./key-space.ts";
import type { OpenLoopOrder, OpenLoopReport } from "./load/open-loop.ts";
import { cpuBetween, cpuSnapshot } from "./proc.ts";
import { processesOf, type RunningProxy } from "./proxies.ts";
import type { LatencyRound, LatencyRow } from "./result.ts";
import { checkReplies, fill } from "./servers.ts";
import type { RoundSettings } from "./throughput.ts";
import { CLIENTS, VALUE_BYTES_SMALL } from "./workloads.ts";

export const DIRECT = "direct";
const WARM_UP_SECONDS = 0.5;

interface Target {
  readonly name: string;
  readonly port: number;
  readonly proxy: RunningProxy | null;
  readonly rounds: LatencyRound[];
}

export async function measureLatency(
  proxies: readonly RunningProxy[],
  servers: readonly number[],
  settings: RoundSettings,
  requestsPerSecond: number,
): Promise<readonly LatencyRow[]> {
  const space = keySpaceFor(VALUE_BYTES_SMALL);
  await fill(servers, space);
  for (const proxy of proxies) await checkReplies(proxy.port, space, proxy.name);
  const targets: Target[] = [
    { name: DIRECT, port: servers[0]!, proxy: null, rounds: [] },
    ...proxies.map((proxy) => ({ name: proxy.name, port: proxy.port, proxy, rounds: [] })),
  ];
  for (let round = 0; round < settings.rounds; round += 1) {
    const order = round % 2 === 0 ? targets : targets.toReversed();
    for (const target of order) {
      const seconds = settings.secondsPerRound;
      const order = {
        ...space,
        port: target.port,
        connections: CLIENTS,
        requestsPerSecond,
        seconds,
      };
      target.rounds.push(await runRound(target, { ...order, warmUpSeconds: WARM_UP_SECONDS }));
    }
  }
  return targets.map(({ name, rounds }) => ({ proxy: name, requestsPerSecond, rounds }));
}

async function runRound(target: Target, order: OpenLoopOrder): Promise<LatencyRound> {
  const before = target.proxy === null ? null : cpuSnapshot(processesOf(target.proxy));
  const program = join(import.meta.dir, "load", "open-loop.ts");
  const timeoutMs = (order.seconds + order.warmUpSeconds + 20) * 1_000;
  const output = await runToEnd(
    [process.execPath, program, JSON.stringify(order)],
    timeoutMs,
    target.name,
  );
  const { requests, ...latency } = JSON.parse(output) as OpenLoopReport;
  const cpu =
    target.proxy === null || before === null
      ? 0
      : cpuBetween(before, cpuSnapshot(processesOf(target.proxy)));
  return { ...latency, cpuMicrosPerRequest: cpu / 1_000 / requests };
}
