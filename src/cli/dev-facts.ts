/** What `proxy dev` writes: its configuration file, the welcome text, and the facts for `--json`. */
import { basename, relative } from "node:path";
import type { DevBackend } from "../dev/backend-process.ts";
import { MEMCACHED_BYTES_MAX } from "../dev/memcache/dev-memcached.ts";
import { MEMORY_BYTES_MAX } from "../dev/redis/dev-redis.ts";
import type { ReadyFacts } from "../supervisor/supervisor-options.ts";
import { DEV_HOST } from "./dev-port.ts";

export const DEV_POOL = "dev";
export const DEV_MEMCACHE_POOL = "dev-memcache";
/** The keys of the examples: with the usual number of shards, 4, each is on another one. */
export const DEV_KEYS: readonly string[] = ["bread", "milk", "apple", "tea"];

/** The Redis pool's port, and the Memcached pool's. */
export interface DevPorts {
  readonly redis: number;
  readonly memcache: number;
}

export interface DevShard {
  readonly name: string;
  readonly address: string;
}

/** What `proxy dev --json` prints. */
export interface DevFacts {
  readonly purpose: "for trying out, not for production: in memory only, lost at exit";
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  readonly pool: string;
  readonly protocol: "redis";
  readonly workers: number;
  readonly shards: readonly DevShard[];
  /** Estimated bytes that one shard holds before it answers -OOM. */
  readonly shardMemoryBytesMax: number;
  /** The second pool, before embedded Memcached servers. */
  readonly memcache: {
    readonly port: number;
    readonly pool: string;
    readonly protocol: "memcache";
    readonly shards: readonly DevShard[];
    /** Bytes that one shard holds before old items make room for new ones. */
    readonly shardMemoryBytesMax: number;
  };
  /** Path of the configuration that runs, valid as long as it runs. */
  readonly config: string;
}

/** The configuration file, in the form that a user would write. */
export function devConfigText(
  ports: DevPorts,
  workers: number | "auto",
  backend: Pick<DevBackend, "redis" | "memcached">,
): string {
  return [
    "# Written by `proxy dev`. To start your own: copy this file and name your own servers.",
    `workers: ${workers}`,
    "log:",
    "  level: warn",
    "pools:",
    ...poolLines(DEV_POOL, "redis", ports.redis, backend.redis),
    ...poolLines(DEV_MEMCACHE_POOL, "memcache", ports.memcache, backend.memcached),
    "",
  ].join("\n");
}

function poolLines(
  name: string,
  protocol: "redis" | "memcache",
  port: number,
  shards: readonly string[],
): string[] {
  return [
    `  ${name}:`,
    `    listen: ${DEV_HOST}:${port}`,
    `    protocol: ${protocol}`,
    "    hash: fnv1a_64",
    "    distribution: ketama",
    '    hash_tag: "{}"',
    "    servers:",
    ...shards.map((address, index) => `      - ${address}:1 ${shardName(index)}`),
  ];
}

export function devFacts(
  ready: ReadyFacts,
  ports: DevPorts,
  backend: DevBackend,
  config: string,
): DevFacts {
  return {
    purpose: "for trying out, not for production: in memory only, lost at exit",
    pid: ready.pid,
    host: DEV_HOST,
    port: ports.redis,
    pool: DEV_POOL,
    protocol: "redis",
    workers: ready.workers,
    shards: named(backend.redis),
    shardMemoryBytesMax: MEMORY_BYTES_MAX,
    memcache: {
      port: ports.memcache,
      pool: DEV_MEMCACHE_POOL,
      protocol: "memcache",
      shards: named(backend.memcached),
      shardMemoryBytesMax: MEMCACHED_BYTES_MAX,
    },
    config,
  };
}

export function welcomeText(facts: DevFacts, program: string = programName()): string {
  const { port, config, shards, workers, memcache } = facts;
  const memory = `${mebibytes(facts.shardMemoryBytesMax)} and ${mebibytes(memcache.shardMemoryBytesMax)}`;
  const keys = DEV_KEYS.join(" ");
  const pairs = DEV_KEYS.map((key, index) => `${key} ${index + 1}`).join(" ");
  const rows: [string, string][] = [
    [`redis-cli -p ${port} mset ${pairs}`, "one command, several servers: each gets its keys"],
    [`redis-cli -p ${port} mget ${keys}`, "their replies, put together"],
    [`redis-benchmark -p ${port} -q -t set,get -r 100000 -P 16`, "put it under load"],
    [`${program} route -c ${config} ${DEV_POOL} ${keys}`, "which server has a key, and why"],
    [`redis-cli -s ${shards[0]?.address} keys '*'`, "ask one server directly"],
    [
      `printf 'set tea 0 0 1\\r\\n4\\r\\nget ${keys}\\r\\nquit\\r\\n' | nc ${facts.host} ${memcache.port}`,
      "the same with Memcached: text, meta and binary commands on one port",
    ],
  ];
  return [
    `A proxy, ${plural(workers, "worker")}:`,
    `  Redis      on ${facts.host}:${port}, before ${plural(shards.length, "embedded Redis server")}`,
    `  Memcached  on ${facts.host}:${memcache.port}, before ${plural(memcache.shards.length, "embedded Memcached server")}`,
    "FOR TRYING OUT, NOT FOR PRODUCTION: the servers keep everything in memory only,",
    `up to ${memory} MiB each, and all of it is lost when this ends.`,
    "",
    "Now, in another terminal:",
    ...rows.map(([command, purpose]) => `  ${command}\n      ${purpose}`),
    "",
    `The configuration that runs is ${config}`,
    "For your own servers, copy it, change the lines under `servers:`, and then:",
    `  ${program} check -c proxy.yaml`,
    `  ${program} -c proxy.yaml`,
    "",
    "Ctrl-C ends it.",
    "",
  ].join("\n");
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

function named(addresses: readonly string[]): DevShard[] {
  return addresses.map((address, index) => ({ name: shardName(index), address }));
}

function shardName(index: number): string {
  return `shard-${index + 1}`;
}

function plural(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

/** What the user can type to run this program. */
function programName(): string {
  const source = Bun.main;
  const path = source.startsWith("/$bunfs/") ? process.execPath : source;
  const name = basename(path);
  if (path === source) return `bun ${relative(process.cwd(), path)}`;
  if (Bun.which(name) === path) return name;
  const near = relative(process.cwd(), path);
  if (near.startsWith("..")) return path;
  return near.includes("/") ? near : `./${near}`;
}
