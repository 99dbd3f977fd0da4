/**
 * How the servers of one protocol are filled, and how their proxies are checked and loaded.
 *
 * redis-benchmark makes the load for Redis, because it is written in C and costs less than the proxies do; it exits
 * at the first error reply. For Memcached there is nothing of the kind: load/memcache-loop.ts is as lean as it gets.
 */
import { join } from "node:path";
import type { KeySpace } from "./key-space.ts";
import type {
  MemcacheCommand,
  MemcacheLoopOrder,
  MemcacheLoopReport,
} from "./load/memcache-loop.ts";
import { checkMemcacheReplies, fillMemcached } from "./memcached-servers.ts";
import { checkReplies, fill } from "./servers.ts";
import { type BenchProtocol, keysOf, type Speech, type Workload } from "./workloads.ts";

/** CPU time that the generator may use: more than any round takes. */
const LOAD_CPU_SECONDS_MAX = 90;

export interface LoadSide {
  fill(ports: readonly number[], space: KeySpace): Promise<void>;
  /** @throws unless a sample of replies is right, byte for byte. */
  check(port: number, space: KeySpace, speech: Speech, who: string): Promise<void>;
  /** The generator's command line. */
  command(port: number, workload: Workload, space: KeySpace, requests: number): readonly string[];
  /** Requests per second, from what the generator printed. */
  rateOf(output: string, who: string): number;
}

const REDIS: LoadSide = {
  fill,
  check: (port, space, _speech, who) => checkReplies(port, space, who),
  command: redisCommand,
  rateOf: redisRate,
};
const MEMCACHE: LoadSide = {
  fill: fillMemcached,
  check: checkMemcacheReplies,
  command: memcacheCommand,
  rateOf: (output) => (JSON.parse(output) as MemcacheLoopReport).requestsPerSecond,
};

export function sideOf(protocol: BenchProtocol): LoadSide {
  return protocol === "redis" ? REDIS : MEMCACHE;
}

function memcacheCommand(
  port: number,
  workload: Workload,
  space: KeySpace,
  requests: number,
): readonly string[] {
  const order: MemcacheLoopOrder = {
    ...space,
    port,
    connections: workload.clients,
    depth: workload.depth,
    requests,
    command: memcacheCommandOf(workload),
    keysPerRequest: keysOf(workload.command),
  };
  return [
    process.execPath,
    join(import.meta.dir, "load", "memcache-loop.ts"),
    JSON.stringify(order),
  ];
}

function memcacheCommandOf({ command }: Workload): MemcacheCommand {
  if (command === "set" || command === "mg" || command === "binary-get") return command;
  return "get";
}

function redisCommand(
  port: number,
  workload: Workload,
  space: KeySpace,
  requests: number,
): readonly string[] {
  return [
    // With new connections it goes on for ever when the proxy is gone, and this program may have been killed by then.
    ...["sh", "-c", `ulimit -t ${LOAD_CPU_SECONDS_MAX}; exec "$@"`, "sh", "redis-benchmark"],
    ...[
      "-h",
      "127.0.0.1",
      "-p",
      String(port),
      "-c",
      String(workload.clients),
      "-n",
      String(requests),
    ],
    ...["-P", String(workload.depth), "-r", String(space.keys)],
    ...["-k", workload.isShortLived ? "0" : "1", "--csv"],
    ...requestWords(workload),
  ];
}

function requestWords(workload: Workload): readonly string[] {
  const key = "key:__rand_int__"; // a fresh random number for each occurrence in each request
  if (workload.command === "SET") return ["SET", key, "x".repeat(workload.valueBytes)];
  if (workload.command === "GET") return ["GET", key];
  return ["MGET", ...Array.from({ length: keysOf(workload.command) }, () => key)];
}

/** The second column of the last CSV line; the first holds the request, which may be long but has no quotes. */
function redisRate(output: string, who: string): number {
  const last = output.trim().split("\n").at(-1) ?? "";
  const rate = Number(/^"[^"]*","([\d.]+)"/.exec(last)?.[1]);
  if (!(rate > 0))
    throw new Error(`${who}: redis-benchmark printed no rate: ${last.substring(0, 200)}`);
  return rate;
}
