/** Memory of a fresh instance of each proxy: after start, while and after a crowd uses it, and after the crowd has left. */
import { join } from "node:path";
import { startTalker, waitUntil } from "./children.ts";
import { type KeySpace, keySpaceFor } from "./key-space.ts";
import type { CrowdOrder } from "./load/crowd.ts";
import { type Memory, memoryOf } from "./proc.ts";
import type { ProxyKind } from "./proxies.ts";
import type { MemoryRow } from "./result.ts";
import { processesOf, type RunningProxy, startProxy, stopProxy } from "./running-proxy.ts";
import { checkReplies, fill } from "./servers.ts";

export const CROWD_CONNECTIONS = 1_000;
const CROWD_DEPTH = 64;
const CROWD_PIPELINES = 3;
const CROWD_VALUE_BYTES = 1024;
const CROWD_TIMEOUT_MS = 60_000;
const SETTLE_MS = 1_000;
const SAMPLE_MS = 50;

/** @param leaveMs how long memory may take to go back after the crowd has left. */
export async function measureMemory(
  kinds: readonly ProxyKind[],
  servers: readonly number[],
  leaveMs: number,
): Promise<readonly MemoryRow[]> {
  const space = keySpaceFor(CROWD_VALUE_BYTES);
  await fill(servers, space);
  const rows: MemoryRow[] = [];
  for (const kind of kinds) {
    const proxy = await startProxy(kind, servers, "redis");
    await checkReplies(proxy.port, space, proxy.name);
    rows.push(await measureOne(proxy, space, leaveMs));
    await stopProxy(proxy);
  }
  return rows;
}

async function measureOne(
  proxy: RunningProxy,
  space: KeySpace,
  leaveMs: number,
): Promise<MemoryRow> {
  await Bun.sleep(SETTLE_MS);
  const start = memoryOf(processesOf(proxy));
  const order: CrowdOrder = {
    ...space,
    port: proxy.port,
    connections: CROWD_CONNECTIONS,
    depth: CROWD_DEPTH,
    pipelines: CROWD_PIPELINES,
  };
  const program = join(import.meta.dir, "load", "crowd.ts");
  const crowd = startTalker([process.execPath, program, JSON.stringify(order)]);
  let peak = start;
  const sampler = setInterval(() => {
    const now = memoryOf(proxy.processes);
    if (now.rssKib > peak.rssKib) peak = now;
  }, SAMPLE_MS);
  try {
    await crowd.line(CROWD_TIMEOUT_MS, `${proxy.name} with a crowd`);
  } finally {
    clearInterval(sampler);
  }
  await Bun.sleep(SETTLE_MS);
  const held = memoryOf(processesOf(proxy));
  await crowd.end();
  await waitUntil(() => isBackAt(start, memoryOf(processesOf(proxy))), leaveMs);
  const left = memoryOf(processesOf(proxy));
  return {
    proxy: proxy.name,
    connections: order.connections,
    depth: order.depth,
    start,
    peak,
    held,
    left,
  };
}

function isBackAt(start: Memory, now: Memory): boolean {
  return now.rssKib <= start.rssKib;
}
