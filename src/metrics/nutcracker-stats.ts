/**
 * Renders the statistics as twemproxy's stats port does: the same keys, order and spacing, so that collectors
 * written for nutcracker go on working. Pools and servers appear in the config's order.
 */
import type { Config, PoolConfig } from "../api/config.ts";
import type { PoolCounter, PoolPlace, ServerCounter, StatsLayout } from "../api/stats.ts";
import { poolsOf } from "./directory.ts";
import {
  type CountedMemory,
  poolValue,
  serverPlaces,
  serversOf,
  serverValue,
} from "./read-counters.ts";

/** Keys of a pool in nutcracker's order; counters it does not know are left out, because parsers take any other key for a server. */
export const NUTCRACKER_POOL_KEYS: readonly PoolCounter[] = [
  "client_eof",
  "client_err",
  "client_connections",
  "server_ejects",
  "forward_error",
  "fragments",
];

/** Keys of a server in nutcracker's order. */
export const NUTCRACKER_SERVER_KEYS: readonly ServerCounter[] = [
  "server_eof",
  "server_err",
  "server_timedout",
  "server_connections",
  "server_ejected_at",
  "requests",
  "request_bytes",
  "responses",
  "response_bytes",
  "in_queue",
  "in_queue_bytes",
  "out_queue",
  "out_queue_bytes",
];

/** What a snapshot is made from. */
export interface StatsSource extends CountedMemory {
  readonly config: Config;
  /** Name of this host. */
  readonly hostname: string;
  readonly version: string;
  /** Milliseconds since the epoch at which the supervisor started. */
  readonly startedAtMs: number;
}

/** One line of JSON with its newline. `nowMs`: milliseconds since the epoch. */
export function renderNutcrackerStats(source: StatsSource, nowMs: number): string {
  const connections = countConnections(source);
  const uptime = Math.max(0, Math.floor((nowMs - source.startedAtMs) / 1000));
  const head = [
    '"service":"nutcracker"',
    `"source":${JSON.stringify(source.hostname)}`,
    `"version":${JSON.stringify(source.version)}`,
    `"uptime":${uptime}`,
    `"timestamp":${Math.floor(nowMs / 1000)}`,
    `"total_connections":${connections.total}`,
    `"curr_connections":${connections.current}`,
  ];
  const pools = source.config.pools.map((pool) => renderPool(source, pool));
  return `{${head.join(", ")}, ${pools.join(",")}}\n`;
}

function renderPool(source: StatsSource, pool: PoolConfig): string {
  const place = findPool(source.layout, pool.name);
  const pairs = NUTCRACKER_POOL_KEYS.map((key) => {
    return `"${key}":${poolValue(source, place.base, key)}`;
  });
  const servers = serverPlaces(pool, place, source).map(
    ({ name, base }) => `${JSON.stringify(name)}: {${renderServer(source, base)}}`,
  );
  return `${JSON.stringify(pool.name)}: {${pairs.join(", ")}, ${servers.join(",")}}`;
}

function renderServer(source: StatsSource, base: number): string {
  const pairs = NUTCRACKER_SERVER_KEYS.map((key) => {
    return `"${key}":${serverValue(source, base, key)}`;
  });
  return pairs.join(", ");
}

/**
 * nutcracker counts clients, server connections and one listening socket per pool as connections alike. What has left
 * the config counts on: its connections may still be draining, and the total must not fall.
 */
function countConnections(source: StatsSource): { total: number; current: number } {
  const listening = source.config.pools.length;
  let opened = listening;
  let current = listening;
  for (const { name, base } of poolsOf(source.layout)) {
    opened += poolValue(source, base, "client_connections_total");
    current += poolValue(source, base, "client_connections");
    for (const { base } of serversOf(source.layout, name)) {
      opened += serverValue(source, base, "server_connections_total");
      current += serverValue(source, base, "server_connections");
    }
  }
  // The values are read one after the other while workers write them.
  return { total: Math.max(opened, current), current };
}

function findPool(layout: StatsLayout, name: string): PoolPlace {
  const pool = layout.pools.find((candidate) => candidate.name === name);
  if (pool === undefined) throw new Error(`no statistics for pool "${name}"`);
  return pool;
}
