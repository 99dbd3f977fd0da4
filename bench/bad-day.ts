/** Latency over time at a fixed rate while something goes wrong, each proxy for itself. */
import { Generator } from "./generator.ts";
import { INCIDENTS, type Incident, type Scene, SICK_SERVER } from "./incidents.ts";
import { type KeySpace, keyName, keySpaceFor } from "./key-space.ts";
import { measureCapacities, weakestOf } from "./latency.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { GroupOrder, WindowReport } from "./load/open-loop.ts";
import type { ProxyKind } from "./proxies.ts";
import type { BadDayRow, BadDayWindow } from "./result.ts";
import { startProxy, stopProxy } from "./running-proxy.ts";
import { fill, type Server } from "./servers.ts";
import { encode, exchange } from "./wire.ts";
import { CLIENTS, VALUE_BYTES_SMALL } from "./workloads.ts";

export const WINDOW_MS = 250;
/** Windows before the incident: what is usual. */
export const WINDOWS_BEFORE = 8;
const SECONDS = 8;
const WARM_UP_SECONDS = 0.5;
/** Share of the weakest proxy's maximum. */
const LOAD = 0.3;
const SPACE: KeySpace = keySpaceFor(VALUE_BYTES_SMALL);
const FILLERS: readonly string[] = ["a", "b", "c", "d"];
const FIND_TIMEOUT_MS = 30_000;
/** Connections that ask only for keys of the server that falls ill: a share as large as its part of the keys. */
const SICK_CONNECTIONS = Math.round(CLIENTS / FILLERS.length);

export interface BadDaySettings {
  /** null: a share of the weakest proxy's maximum. */
  readonly requestsPerSecond: number | null;
}

/**
 * Restores the servers that it is given: each incident that replaces one puts a new one into the list.
 *
 * @param progress told what is measured next.
 * @param add given each row as it comes.
 */
export async function measureBadDay(
  kinds: readonly ProxyKind[],
  servers: Server[],
  settings: BadDaySettings,
  progress: (text: string) => void,
  add: (row: BadDayRow) => void,
): Promise<void> {
  const ports = servers.map(({ port }) => port);
  await fill(ports, SPACE, FILLERS);
  const rate = settings.requestsPerSecond ?? (await suitableRate(kinds, ports));
  for (const incident of INCIDENTS) {
    for (const kind of kinds) {
      // HAProxy has no shards: a connection belongs to one server, whatever is asked for on it.
      if (kind.role === "floor" && incident.isOfShard) continue;
      progress(`bad day: ${incident.name}, ${kind.name}`);
      add(await measureOne(incident, kind, servers, rate));
    }
  }
}

async function suitableRate(
  kinds: readonly ProxyKind[],
  ports: readonly number[],
): Promise<number> {
  const generator = new Generator({ connections: CLIENTS, valueBytes: SPACE.valueBytes });
  const capacities = [];
  for (const kind of kinds) {
    const proxy = await startProxy(kind, ports, "redis");
    const target = { name: proxy.name, ports: [proxy.port] };
    capacities.push(...(await measureCapacities(generator, [target], SPACE)));
    await stopProxy(proxy);
  }
  await generator.end();
  return Math.round(LOAD * weakestOf(capacities));
}

/** An incident that fails is a row that says so: the others are measured. */
async function measureOne(
  incident: Incident,
  kind: ProxyKind,
  servers: Server[],
  requestsPerSecond: number,
): Promise<BadDayRow> {
  const row = { incident: incident.name, proxy: kind.name, requestsPerSecond };
  const proxy = await startProxy(
    kind,
    servers.map(({ port }) => port),
    "redis",
  );
  const scene: Scene = { proxy, servers, space: SPACE, fillers: FILLERS };
  const generator = new Generator({ connections: CLIENTS, valueBytes: SPACE.valueBytes });
  try {
    return { ...row, ...(await strike(incident, scene, generator, requestsPerSecond)) };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { ...row, cut: 0, remark: "", failure, groups: [] };
  } finally {
    await generator.end();
    await stopProxy(scene.proxy);
  }
}

async function strike(
  incident: Incident,
  scene: Scene,
  generator: Generator,
  requestsPerSecond: number,
): Promise<Pick<BadDayRow, "cut" | "remark" | "failure" | "groups">> {
  const { port, name } = scene.proxy;
  const groups = incident.isOfShard ? await shardGroups(port) : [wholeGroup()];
  await incident.prepare?.(scene);
  let struck: Promise<string> | null = null;
  const order = {
    ...{ ports: [port], requestsPerSecond, isBadDay: true, warmUpSeconds: WARM_UP_SECONDS },
    ...{ seconds: SECONDS, windows: (SECONDS * 1e3) / WINDOW_MS, groups },
  };
  const startMs = WARM_UP_SECONDS * 1e3 + WINDOWS_BEFORE * WINDOW_MS;
  const report = await generator.slice(order, name, () => {
    struck = Bun.sleep(startMs).then(() => incident.strike(scene));
    // Looked at below, after the load has ended.
    struck.catch(() => {});
  });
  const remark = await (struck ?? "");
  const names = incident.isOfShard ? ["its keys", "other keys"] : ["all keys"];
  return {
    ...{ cut: report.cut, remark, failure: null },
    groups: report.groups.map((windows, n) => ({
      keys: names[n]!,
      windows: windows.map(windowOf),
    })),
  };
}

function windowOf({ latency, errors, lost }: WindowReport): BadDayWindow {
  const histogram = LatencyHistogram.from(latency);
  return {
    answered: histogram.count,
    p50: histogram.percentileMicros(0.5),
    p999: histogram.percentileMicros(0.999),
    errors,
    lost,
  };
}

function wholeGroup(): GroupOrder {
  return { connections: CLIENTS, keys: Array.from({ length: SPACE.keys }, (_, key) => key) };
}

/** The keys of the server that falls ill, and the others: told apart by where this proxy finds them. */
async function shardGroups(port: number): Promise<readonly GroupOrder[]> {
  const all = wholeGroup().keys;
  const request = all.map((key) => encode("GET", keyName(key))).join("");
  const replyBytes = `$${SPACE.valueBytes}\r\n`.length + SPACE.valueBytes + 2;
  const replies = await exchange(port, request, replyBytes * all.length, FIND_TIMEOUT_MS);
  if (replies.length !== replyBytes * all.length) {
    throw new Error("the proxy did not say in time where the keys are");
  }
  const isSick = (key: number): boolean =>
    replies[(key + 1) * replyBytes - 3] === FILLERS[SICK_SERVER];
  const sick = all.filter(isSick);
  if (sick.length === 0 || sick.length === all.length) {
    throw new Error("the keys of one server cannot be told from the others");
  }
  return [
    { connections: SICK_CONNECTIONS, keys: sick },
    { connections: CLIENTS - SICK_CONNECTIONS, keys: all.filter((key) => !isSick(key)) },
  ];
}
