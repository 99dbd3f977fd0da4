/** What can be measured, by name. A workload is one kind of request at one pipeline depth. */

/** Memcached's are in small letters, as it wants them. */
export type CommandName = "GET" | "SET" | "MGET10" | "MGET100" | "get" | "set" | "get100";
export type BenchProtocol = "redis" | "memcache";

export interface Workload {
  /** "GET 100B P16", "connect": what `--only` matches and results are compared by. */
  readonly name: string;
  readonly protocol: BenchProtocol;
  readonly command: CommandName;
  readonly valueBytes: number;
  /** Requests that each connection keeps in flight. */
  readonly depth: number;
  /** A new connection for every request. */
  readonly isShortLived: boolean;
  /** Upper bound of the proxy's CPU time per request as a share of nutcracker's; null: none is set. */
  readonly cpuRatioMax: number | null;
}

/** Connections of the load generator. */
export const CLIENTS = 50;
export const VALUE_BYTES_SMALL = 100;
/** Reply bytes that all clients together may have in flight; what would need more is left out. */
const IN_FLIGHT_BYTES_MAX = 256 * 1024 * 1024;

const COMMANDS: readonly CommandName[] = ["GET", "SET", "MGET10", "MGET100"];
const MEMCACHE_COMMANDS: readonly CommandName[] = ["get", "set", "get100"];
const MEMCACHE_SIZES: readonly number[] = [100, 1024];
const MEMCACHE_DEPTHS: readonly number[] = [1, 16];
const SIZES: readonly number[] = [VALUE_BYTES_SMALL, 1024, 16 * 1024];
const DEPTHS: readonly number[] = [1, 16, 64];

const QUICK = /^((GET|SET) 100B P(1|16|64)|MGET100 100B P1|memcache (get|set|get100) 100B P1)$/;
const USUAL =
  /^((GET|SET) 100B P\d+|(GET|SET) 1KB P16|(GET|SET) 16KB P1|MGET10 100B P1|MGET100 (100B|1KB) P1|MGET100 100B P16|connect|memcache (get|set) 100B P\d+|memcache get100 100B P1)$/;

export type Extent = "quick" | "usual" | "full";

/** The throughput workloads of a run, in the order in which they run. */
export function selectWorkloads(extent: Extent, only: RegExp | null): readonly Workload[] {
  return allWorkloads().filter(({ name }) => {
    // Whoever asks for something by name gets it, whether or not it belongs to the usual set.
    if (only !== null) return only.test(name);
    if (extent === "full") return true;
    return (extent === "quick" ? QUICK : USUAL).test(name);
  });
}

/** Every workload that fits in memory: the cross product, and short-lived connections. */
export function allWorkloads(): readonly Workload[] {
  const all: Workload[] = [];
  for (const command of COMMANDS) {
    for (const valueBytes of SIZES) {
      for (const depth of DEPTHS) {
        if (CLIENTS * depth * keysOf(command) * valueBytes > IN_FLIGHT_BYTES_MAX) continue;
        all.push(workload(command, valueBytes, depth));
      }
    }
  }
  all.push({
    ...workload("GET", VALUE_BYTES_SMALL, 1),
    name: "connect",
    isShortLived: true,
    cpuRatioMax: null,
  });
  for (const command of MEMCACHE_COMMANDS) {
    for (const valueBytes of MEMCACHE_SIZES) {
      for (const depth of MEMCACHE_DEPTHS) all.push(workload(command, valueBytes, depth));
    }
  }
  return all;
}

/** Keys in one request. */
export function keysOf(command: CommandName): number {
  if (command === "MGET10") return 10;
  return command === "MGET100" || command === "get100" ? 100 : 1;
}

function workload(command: CommandName, valueBytes: number, depth: number): Workload {
  const size = valueBytes < 1024 ? `${valueBytes}B` : `${valueBytes / 1024}KB`;
  const isMemcache = MEMCACHE_COMMANDS.includes(command);
  return {
    name: `${isMemcache ? "memcache " : ""}${command} ${size} P${depth}`,
    protocol: isMemcache ? "memcache" : "redis",
    command,
    valueBytes,
    depth,
    isShortLived: false,
    cpuRatioMax: valueBytes === VALUE_BYTES_SMALL ? cpuBar(command, depth) : null,
  };
}

function cpuBar(command: CommandName, depth: number): number | null {
  if (command === "MGET100") return 0.5;
  if (command === "get100") return depth === 1 ? 0.5 : null;
  if (command === "MGET10") return null;
  if (depth === 1) return 1;
  if (command === "get" || command === "set") return null;
  return depth === 16 ? 0.45 : 0.25;
}
