/** Pools in the test's own process whose options change, before one Redis server that all tests of a file share. */
import { afterAll, afterEach, beforeAll } from "bun:test";
import type { ServerConfig } from "../../src/api/config.ts";
import { freePort } from "./free-port.ts";
import { type PoolEars, type PoolRig, startPool } from "./pool-rig.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";

export interface LiveRig {
  /** Of the shared server. */
  readonly port: number;
  /** Done when the test is over. */
  atEnd(stop: () => unknown): void;
  /** One more server, which may be stopped by a signal. */
  redis(options?: { readonly port?: number }): Promise<RedisServer>;
  start(
    lines: readonly string[],
    servers?: readonly ServerConfig[],
    ears?: PoolEars,
  ): Promise<PoolRig>;
  connect(pool: PoolRig): Promise<RespClient>;
}

/** To be called once in a file. */
export function liveRig(): LiveRig {
  let redis: RedisServer;
  let stops: (() => unknown)[] = [];
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    for (const stop of stops.reverse()) await stop();
    stops = [];
  });
  afterAll(() => redis.stop());
  return {
    get port() {
      return redis.port;
    },
    atEnd: (stop) => void stops.push(stop),
    async redis(options) {
      const server = await startRedis(options);
      stops.push(() => {
        process.kill(server.pid, "SIGCONT");
        return server.stop();
      });
      return server;
    },
    async start(lines, servers = [serverAt(redis.port, "one")], ears = {}) {
      const pool = await startPool(servers, lines, ears);
      stops.push(() => pool.close());
      return pool;
    },
    async connect({ port }) {
      const client = await RespClient.connect({ host: "127.0.0.1", port });
      stops.push(() => client.close());
      return client;
    },
  };
}

export function serverAt(port: number, name: string): ServerConfig {
  return { name, address: { kind: "tcp", host: "127.0.0.1", port }, weight: 1 };
}

/** Refuses connections. */
export function deadServer(name = "dead"): ServerConfig {
  return serverAt(freePort(), name);
}

/** Keys enough that some are on each server. */
export async function askAll(client: RespClient, count = 24): Promise<string[]> {
  client.command(...Array.from({ length: count }, (_, i): [string, string] => ["GET", `key:${i}`]));
  return (await client.replies(count)).map(String);
}

export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`in vain: ${what}`);
    await Bun.sleep(2);
  }
}
