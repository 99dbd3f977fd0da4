/** What `proxy dev` writes: its configuration file, the welcome text, and the facts for `--json`. */
import { basename, relative } from "node:path";
import type { DevBackend } from "../dev/backend-process.ts";
import { MEMORY_BYTES_MAX } from "../dev/redis/dev-redis.ts";
import type { ReadyFacts } from "../supervisor/supervisor-options.ts";
import { DEV_HOST } from "./dev-port.ts";

export const DEV_POOL = "dev";

/** What `proxy dev --json` prints. */
export interface DevFacts {
  readonly purpose: "for trying out, not for production: in memory only, lost at exit";
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  readonly pool: string;
  readonly protocol: "redis";
  readonly workers: number;
  readonly shards: readonly { readonly name: string; readonly address: string }[];
  /** Estimated bytes that one shard holds before it answers -OOM. */
  readonly shardMemoryBytesMax: number;
  /** Path of the configuration that runs, valid as long as it runs. */
  readonly config: string;
}

/** The configuration file, in the form that a user would write. */
export function devConfigText(
  port: number,
  workers: number | "auto",
  shards: readonly string[],
): string {
  return [
    "# Written by `proxy dev`. To start your own: copy this file and name your own servers.",
    `workers: ${workers}`,
    "log:",
    "  level: warn",
    "pools:",
    `  ${DEV_POOL}:`,
    `    listen: ${DEV_HOST}:${port}`,
    "    protocol: redis",
    "    hash: fnv1a_64",
    "    distribution: ketama",
    '    hash_tag: "{}"',
    "    servers:",
    ...shards.map((address, index) => `      - ${address}:1 ${shardName(index)}`),
    "",
  ].join("\n");
}

export function devFacts(
  ready: ReadyFacts,
  port: number,
  backend: DevBackend,
  config: string,
): DevFacts {
  return {
    purpose: "for trying out, not for production: in memory only, lost at exit",
    pid: ready.pid,
    host: DEV_HOST,
    port,
    pool: DEV_POOL,
    protocol: "redis",
    workers: ready.workers,
    shards: backend.addresses.map((address, index) => ({ name: shardName(index), address })),
    shardMemoryBytesMax: MEMORY_BYTES_MAX,
    config,
  };
}

export function welcomeText(facts: DevFacts, program: string = programName()): string {
  const { port, config, shards, workers } = facts;
  const mebibytes = Math.round(facts.shardMemoryBytesMax / 1024 / 1024);
  const rows: [string, string][] = [
    [`redis-cli -p ${port} set a 1`, "write a key through the proxy"],
    [`redis-cli -p ${port} mget a b c`, "one command, answered by several servers"],
    [`redis-benchmark -p ${port} -q -t set,get -r 100000 -P 16`, "put it under load"],
    [`${program} route -c ${config} ${DEV_POOL} a b c`, "which server has a key, and why"],
    [`redis-cli -s ${shards[0]?.address} keys '*'`, "ask one server directly"],
  ];
  return [
    `A Redis proxy on ${facts.host}:${port}, ${plural(workers, "worker")}, before ${plural(shards.length, "embedded Redis server")}.`,
    "FOR TRYING OUT, NOT FOR PRODUCTION: the servers keep everything in memory only,",
    `up to ${mebibytes} MiB each, and all of it is lost when this ends.`,
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
