/** What a reload changes, in words, and how many keys it moves. */
import type { Config, ModuleConfig, PoolConfig, ServerConfig } from "../../api/config.ts";
import type { RingChange } from "../../api/control-socket.ts";
import type { Option } from "../../api/option.ts";
import { formatAddress } from "../../config/address.ts";
import { formatDuration } from "../../config/duration.ts";
import { fieldOf } from "../../config/live.ts";
import { optionsAt } from "../../config/options.ts";
import { poolWorkersText } from "../../config/pool-workers.ts";
import { routeText } from "../../config/route-text.ts";
import { formatSize } from "../../config/size.ts";
import { createHash, initHashes } from "../../hash/hash-function.ts";
import { KeyHasher } from "../../hash/key-hasher.ts";
import { createRing } from "../../hash/ring.ts";

/** Random keys that are looked up on both rings: the shown share is right to about 0.2 %. */
const SAMPLE_KEYS = 100_000;
const KEY_BYTES = 16;

/** By field of a pool: its option. */
const OPTION_NAMES: ReadonlyMap<string, string> = new Map(
  optionsAt("pool").flatMap(({ name, field }) => (field === null ? [] : [[field, name]])),
);
const RING_FIELDS: readonly (keyof PoolConfig)[] = [
  "hash",
  "hashSignedChar",
  "hashTag",
  "distribution",
  "servers",
];

/** One line for each change; none: the two come to the same. */
export function describeChanges(from: Config, to: Config): string[] {
  const old = new Map(from.pools.map((pool) => [pool.name, pool]));
  const current = new Set(to.pools.map(({ name }) => name));
  return [
    ...processChanges(from, to),
    ...moduleChanges(from, to),
    ...from.pools
      .filter(({ name }) => !current.has(name))
      .map(({ name, listen }) => {
        return `pool "${name}" goes: its clients on ${formatAddress(listen)} are drained`;
      }),
    ...to.pools.flatMap((pool) => {
      const before = old.get(pool.name);
      if (before !== undefined) return poolChanges(before, pool);
      return [`pool "${pool.name}" comes, on ${formatAddress(pool.listen)}`];
    }),
  ];
}

/** For every pool of both whose ring changes: how many keys another server has afterwards. */
export async function ringChanges(from: Config, to: Config): Promise<RingChange[]> {
  await initHashes();
  const changes: RingChange[] = [];
  for (const pool of to.pools) {
    const before = from.pools.find(({ name }) => name === pool.name);
    if (before === undefined || RING_FIELDS.every((field) => isSame(before[field], pool[field]))) {
      continue;
    }
    changes.push({ pool: pool.name, movedShare: movedShare(before, pool) });
  }
  return changes;
}

/** Of random keys, those whose server has another address; every key of a random distribution moves. */
function movedShare(from: PoolConfig, to: PoolConfig): number {
  if (from.distribution === "random" || to.distribution === "random") return 1;
  const before = createPick(from);
  const after = createPick(to);
  const key = Buffer.alloc(KEY_BYTES);
  let moved = 0;
  for (let count = 0; count < SAMPLE_KEYS; count += 1) {
    // Every 16 bytes are as good as any other; a text that counts would favour some hashes.
    crypto.getRandomValues(key);
    if (before(key) !== after(key)) moved += 1;
  }
  return moved / SAMPLE_KEYS;
}

/** From a key to its server's address, as all servers are live. */
function createPick(pool: PoolConfig): (key: Buffer) => string {
  const hasher = new KeyHasher(createHash(pool.hash, pool.hashSignedChar), pool.hashTag);
  const addresses = pool.servers.map(({ address }) => formatAddress(address));
  const ring = createRing(
    pool.distribution,
    pool.servers,
    () => true,
    () => 0,
  );
  return (key) => addresses[ring.pick(hasher.hash(key, 0, key.length))] ?? "";
}

function processChanges(from: Config, to: Config): string[] {
  const rows: (readonly [option: string, from: string, to: string])[] = [
    ["workers", `${from.workers}`, `${to.workers}`],
    ["accept", from.accept, to.accept],
    ["engine", from.engine ?? "bun", to.engine ?? "bun"],
    ["affinity", `${from.affinity}`, `${to.affinity}`],
    ["rlimit_nofile", `${from.openFiles ?? "unset"}`, `${to.openFiles ?? "unset"}`],
    ["client_memory", sizeOrNone(from.clientMemoryBytes), sizeOrNone(to.clientMemoryBytes)],
    ["user", from.user ?? "unset", to.user ?? "unset"],
    ["group", from.group ?? "unset", to.group ?? "unset"],
    ["log: level", from.log.level, to.log.level],
    ["log: file", from.log.file ?? "stderr", to.log.file ?? "stderr"],
    ["log: slow_file", from.log.slowFile ?? "none", to.log.slowFile ?? "none"],
    ["log: format", from.log.format ?? "text", to.log.format ?? "text"],
    ["pid_file", from.pidFile ?? "none", to.pidFile ?? "none"],
    ["control", from.control ?? "from the file's path", to.control ?? "from the file's path"],
    ["rebalance", `${from.rebalance}`, `${to.rebalance}`],
    ["stats: listen", addressOrOff(from.stats.listen), addressOrOff(to.stats.listen)],
    ["admin: listen", addressOrOff(from.admin?.listen), addressOrOff(to.admin?.listen)],
    ["admin: token_file", from.admin?.tokenFile ?? "none", to.admin?.tokenFile ?? "none"],
    ["admin: levers_token_file", leversToken(from), leversToken(to)],
    ["stats: interval", intervalOrNone(from.stats.intervalMs), intervalOrNone(to.stats.intervalMs)],
    ...etcdRows(from, to),
    ["zones", zonesText(from), zonesText(to)],
    ["zone", zoneText(from), zoneText(to)],
    ["drain_timeout", formatDuration(from.drainTimeoutMs), formatDuration(to.drainTimeoutMs)],
  ];
  return rows.flatMap(([option, old, now]) => (old === now ? [] : [`${option}: ${old} → ${now}`]));
}

function etcdRows(from: Config, to: Config): (readonly [string, string, string])[] {
  return optionsAt("top").flatMap(({ name, field }) => {
    if (field?.startsWith("etcd.") !== true) return [];
    const textOf = (config: Config): string => `${fieldOf(config, field) ?? "none"}`;
    return [[name, textOf(from), textOf(to)] as const];
  });
}

function zoneText({ zone = "auto" }: Config): string {
  return zone;
}

function zonesText({ zones = {} }: Config): string {
  const all = Object.entries(zones).map(([name, entries]) => `${name}: [${entries.join(", ")}]`);
  return all.length === 0 ? "none" : all.join(", ");
}

function leversToken({ admin }: Config): string {
  return admin?.leversTokenFile ?? "none";
}

function poolChanges(from: PoolConfig, to: PoolConfig): string[] {
  const fields = Object.keys(to) as (keyof PoolConfig)[];
  return fields.flatMap((field) => {
    if (field === "servers") return serverChanges(from, to);
    if (field === "options") return optionChanges(from, to, `pool "${to.name}": `);
    if (field === "filters") return filterChanges(from, to);
    if (field === "discovery") return discoveryChanges(from, to);
    if (isSame(from[field] ?? null, to[field] ?? null)) return [];
    const option = OPTION_NAMES.get(field) ?? field;
    const label = `pool "${to.name}": ${option}`;
    return [`${label}: ${show(field, from)} → ${show(field, to)}`];
  });
}

/** Changes of how the pool's servers are found. */
function discoveryChanges(from: PoolConfig, to: PoolConfig): string[] {
  const rows = optionsAt("pool").filter(({ field }) => field?.startsWith("discovery.") === true);
  const textIn = (pool: PoolConfig, row: Option): string => {
    const value = fieldOf(pool, row.field ?? "");
    // Of a configuration of an older version.
    if (value === undefined) return row.default.native ?? "none";
    if (typeof value === "number") return formatDuration(value);
    return value === null ? "none" : String(value);
  };
  return rows.flatMap((row) => {
    const [old, now] = [textIn(from, row), textIn(to, row)];
    return old === now ? [] : [`pool "${to.name}": ${row.name}: ${old} → ${now}`];
  });
}

/** Changes of what the pool's protocol reads. */
function optionChanges(
  from: Pick<PoolConfig, "options">,
  to: Pick<PoolConfig, "options">,
  where: string,
): string[] {
  return Object.entries(to.options).flatMap(([name, { value, text }]) => {
    const before = from.options[name];
    if (before !== undefined && isSame(before.value, value)) return [];
    const label = `${where}${name}`;
    if (before === undefined) return [`${label}: ${text ?? "secret"}`];
    // A row may become secret in another version: then neither value is shown.
    const isShown = before.text !== null && text !== null;
    return [isShown ? `${label}: ${before.text} → ${text}` : `${label} changes`];
  });
}

function filterChanges(from: PoolConfig, to: PoolConfig): string[] {
  const label = `pool "${to.name}": `;
  // Of a configuration of an older version.
  const before = from.filters ?? [];
  const names = (filters: PoolConfig["filters"]): string =>
    filters.map(({ name }) => name).join(", ") || "none";
  const [old, now] = [names(before), names(to.filters)];
  if (old !== now) return [`${label}filters: ${old} → ${now}`];
  return to.filters.flatMap((filter, index) => {
    return optionChanges(before[index]!, filter, `${label}filter ${filter.name}: `);
  });
}

/** A module whose code changed is another one, whatever its options are. */
function moduleChanges(from: Config, to: Config): string[] {
  const keyOf = ({ kind, name }: ModuleConfig): string => `${kind} ${name}`;
  const old = new Map((from.modules ?? []).map((module) => [keyOf(module), module]));
  const current = new Set(to.modules.map(keyOf));
  const gone = [...old.keys()].filter((key) => !current.has(key));
  return [
    ...gone.map((key) => `module: ${key} goes`),
    ...to.modules.flatMap((module) => {
      const before = old.get(keyOf(module));
      if (before === undefined) return [`module: ${keyOf(module)} comes, ${module.path}`];
      return before.hash === module.hash ? [] : [`module: ${keyOf(module)} changes`];
    }),
  ];
}

function serverChanges(from: PoolConfig, to: PoolConfig): string[] {
  const label = `pool "${to.name}": server`;
  const old = new Map(from.servers.map((server) => [server.name, server]));
  const current = new Set(to.servers.map(({ name }) => name));
  return [
    ...from.servers
      .filter(({ name }) => !current.has(name))
      .map(({ name }) => `${label} ${name} goes`),
    ...to.servers.flatMap((server) => {
      const before = old.get(server.name);
      if (before === undefined) return [`${label} ${server.name} comes, ${placeOf(server)}`];
      if (isSame(before, server)) return [];
      return [`${label} ${server.name}: ${placeOf(before)} → ${placeOf(server)}`];
    }),
  ];
}

function placeOf({ address, weight, replicas = [] }: ServerConfig): string {
  const copies = replicas.map(formatAddress).join(" ");
  return `${formatAddress(address)} weight ${weight}${copies === "" ? "" : ` replicas ${copies}`}`;
}

function show(field: keyof PoolConfig, pool: PoolConfig): string {
  const value = pool[field];
  if (field === "route") return routeText(pool.route);
  if (field === "workers") return poolWorkersText(pool.workers);
  if (field === "listen") return formatAddress(pool.listen);
  if (field === "hashSignedChar") return value === true ? "signed" : "unsigned";
  if (typeof value === "number" && field.endsWith("Ms")) return formatDuration(value);
  return value === null ? "none" : String(value);
}

/** Absent in the configuration of a program that does not know the option. */
function sizeOrNone(bytes: Config["clientMemoryBytes"]): string {
  return typeof bytes === "number" ? formatSize(bytes) : (bytes ?? "none");
}

function intervalOrNone(ms: number): string {
  return ms === 0 ? "none" : formatDuration(ms);
}

function addressOrOff(address: Config["stats"]["listen"] | undefined): string {
  return address == null ? "off" : formatAddress(address);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
