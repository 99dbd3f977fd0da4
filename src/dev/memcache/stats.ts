/** `stats`, in the text protocol's words and as pairs for the binary one. */

import { MEMCACHE_VERSION } from "../../protocols/memcache/codec/version.ts";
import { ERROR } from "./replies.ts";
import type { Shard } from "./shard.ts";

const COUNTED = [
  ...["cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "cmd_meta", "get_hits", "get_misses"],
  ...["delete_misses", "delete_hits", "incr_misses", "incr_hits", "decr_misses", "decr_hits"],
  ...["cas_misses", "cas_hits", "cas_badval", "touch_hits", "touch_misses"],
];

/** Names and values, in memcached's order. */
export function generalStats(shard: Shard): [string, string][] {
  const { store } = shard;
  const figures: [string, string | number][] = [
    ["pid", process.pid],
    ["uptime", store.now() - shard.startedAt],
    ["time", store.now()],
    ["version", MEMCACHE_VERSION],
    ["pointer_size", 64],
    ["curr_connections", shard.connections],
    ["total_connections", shard.totalConnections],
    ...COUNTED.map((name): [string, number] => [name, shard.counts.get(name) ?? 0]),
    ["limit_maxbytes", store.bytesMax],
    ["accepting_conns", 1],
    ["threads", 1],
    ["bytes", store.bytes],
    ["curr_items", store.size],
    ["total_items", store.totalItems],
    ["evictions", store.evictions],
  ];
  return figures.map(([name, value]) => [name, String(value)]);
}

/** What is left empty here: memcached's figures about memory and threads that an embedded server does not have. */
const EMPTY = new Set(["items", "slabs", "sizes", "settings", "conns"]);

/** @returns null when there is no such kind of statistics */
export function statsOf(shard: Shard, kind: string): [string, string][] | "reset" | null {
  if (kind === "") return generalStats(shard);
  if (kind === "reset") {
    shard.counts.clear();
    shard.totalConnections = 0;
    return "reset";
  }
  return EMPTY.has(kind) ? [] : null;
}

export function statsReply(shard: Shard, words: readonly string[]): string {
  const stats = statsOf(shard, words[1] ?? "");
  if (stats === null) return ERROR;
  if (stats === "reset") return "RESET\r\n";
  return `${stats.map(([name, value]) => `STAT ${name} ${value}\r\n`).join("")}END\r\n`;
}
