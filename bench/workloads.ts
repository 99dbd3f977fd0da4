/** What can be measured, by name. A workload is one kind of request at one pipeline depth from a number of clients. */

/** Memcached's are in small letters, as it wants them; `binary-get` is GET of the binary protocol. */
export type CommandName =
  | ("GET" | "SET" | "MGET10" | "MGET100")
  | ("get" | "set" | "get100" | "mg" | "binary-get");
export type BenchProtocol = "redis" | "memcache";
/** What a proxy must understand to take part. */
export type Speech = "redis" | "memcache" | "memcache-meta" | "memcache-binary";

export interface Workload {
  /** "GET 100B P16", "GET 16KB P16 C4", "connect": what `--only` matches and results are compared by. */
  readonly name: string;
  readonly protocol: BenchProtocol;
  readonly command: CommandName;
  readonly valueBytes: number;
  /** Requests that each connection keeps in flight. */
  readonly depth: number;
  /** Connections of the load generator. */
  readonly clients: number;
  /** A new connection for every request. */
  readonly isShortLived: boolean;
  /** Upper bound of the own proxy's CPU time per request as a share of the best peer's; null: none is set. */
  readonly cpuRatioMax: number | null;
}

export type Extent = "quick" | "usual" | "full";

/** Connections of the load generator, unless a name says otherwise. */
export const CLIENTS = 50;
const OTHER_CLIENTS: readonly number[] = [1, 4, 500];
export const VALUE_BYTES_SMALL = 100;
/** Reply bytes that all clients together may have in flight: where it would be more there are fewer clients. */
const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;

const KB = 1024;
const SIZES: readonly number[] = [VALUE_BYTES_SMALL, 4 * KB, 16 * KB, 64 * KB, 256 * KB, 1024 * KB];
const DEPTHS: readonly number[] = [1, 16, 64];

const QUICK =
  /^((GET|SET) 100B P(1|16|64)|(GET|SET) 16KB P16|MGET100 100B P1|connect|memcache (get|set|get100) 100B P1)$/;
const USUAL =
  /^((GET|SET) 100B P\d+|GET 100B P1 C\d+|(GET|SET) (4|64|256)KB P1|(GET|SET) 1MB P1|(GET|SET) 16KB P(1|16)|MGET\d+ \w+ P1|connect|memcache \S+ 100B P1|memcache get 100B P16|memcache get 16KB P1)$/;

/** The throughput workloads of a run, in the order in which they run. */
export function selectWorkloads(extent: Extent, only: RegExp | null): readonly Workload[] {
  return allWorkloads().filter(({ name }) => {
    // What is asked for by name is run, whether or not it belongs to the usual set.
    if (only !== null) return only.test(name);
    if (extent === "full") return true;
    return (extent === "quick" ? QUICK : USUAL).test(name);
  });
}

/** Every workload: sizes by depths, numbers of clients, several keys, short-lived connections. */
export function allWorkloads(): readonly Workload[] {
  const small = VALUE_BYTES_SMALL;
  const cross = (command: CommandName, sizes: readonly number[], depths: readonly number[]) =>
    sizes.flatMap((size) => depths.map((depth) => workload(command, size, depth)));
  const crowds = (command: CommandName, depths: readonly number[]) =>
    OTHER_CLIENTS.flatMap((clients) =>
      depths.map((depth) => workload(command, small, depth, clients)),
    );
  return [
    ...cross("GET", SIZES, DEPTHS),
    ...cross("SET", SIZES, DEPTHS),
    ...[...crowds("GET", [1, 16]), ...crowds("SET", [1])],
    ...[...cross("MGET100", [small], [1, 16]), ...cross("MGET10", [16 * KB], [1, 16])],
    { ...workload("GET", small, 1), name: "connect", isShortLived: true, cpuRatioMax: 1 },
    ...[...cross("get", [small], DEPTHS), ...cross("get", [16 * KB], [1, 16])],
    ...[...cross("set", [small], DEPTHS), ...cross("set", [16 * KB], [1, 16])],
    ...[...crowds("get", [1]), ...cross("get100", [small], [1, 16])],
    ...[...cross("mg", [small], DEPTHS), ...cross("binary-get", [small], DEPTHS)],
  ];
}

/** Keys in one request. */
export function keysOf(command: CommandName): number {
  if (command === "MGET10") return 10;
  return command === "MGET100" || command === "get100" ? 100 : 1;
}

export function speechOf({ protocol, command }: Workload): Speech {
  if (command === "mg") return "memcache-meta";
  return command === "binary-get" ? "memcache-binary" : protocol;
}

function workload(
  command: CommandName,
  valueBytes: number,
  depth: number,
  wantedClients: number = CLIENTS,
): Workload {
  const clients = fittingClients(wantedClients, depth * keysOf(command) * valueBytes);
  const isMemcache = command === command.toLowerCase();
  const crowd = clients === CLIENTS ? "" : ` C${clients}`;
  return {
    name: `${isMemcache ? "memcache " : ""}${command} ${sizeText(valueBytes)} P${depth}${crowd}`,
    protocol: isMemcache ? "memcache" : "redis",
    command,
    valueBytes,
    depth,
    clients,
    isShortLived: false,
    cpuRatioMax: clients === CLIENTS ? cpuBar(command, valueBytes, depth) : null,
  };
}

function fittingClients(wanted: number, bytesOfOne: number): number {
  const fits = [wanted, 4].find((clients) => clients * bytesOfOne <= IN_FLIGHT_BYTES_MAX);
  return fits ?? 1;
}

function sizeText(bytes: number): string {
  if (bytes < KB) return `${bytes}B`;
  return bytes < KB * KB ? `${bytes / KB}KB` : `${bytes / KB / KB}MB`;
}

function cpuBar(command: CommandName, valueBytes: number, depth: number): number | null {
  if (valueBytes === 16 * KB && (command === "GET" || (command === "SET" && depth === 16)))
    return 1;
  if (valueBytes !== VALUE_BYTES_SMALL) return null;
  if (command === "MGET100" && depth === 1) return 0.55;
  if (command === "get100" && depth === 1) return 0.5;
  if (command === "get" && depth === 1) return 0.85;
  if (command !== "GET" && command !== "SET") return null;
  if (depth === 1) return 0.85;
  return depth === 16 ? 0.7 : 0.6;
}
