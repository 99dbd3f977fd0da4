/** A proxy as operators look at it: pools of several protocols before real servers, with the admin's HTTP. */
import { readFileSync, writeFileSync } from "node:fs";
import type { GenerationResult } from "../../src/api/control-socket.ts";
import { freePort } from "./free-port.ts";
import { startMemcached } from "./memcached-server.ts";
import { type ProxyProcess, startProxy } from "./proxy-process.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";
import { mustRun } from "./run-command.ts";
import type { Endpoint } from "./server-process.ts";
import { TextClient } from "./text-client.ts";
import { stops } from "./upgrade-rig.ts";

interface Server {
  readonly host: string;
  readonly port: number;
}

export interface OperatorRig {
  readonly proxy: ProxyProcess;
  /** Of the pools `main` (Redis), `cache` (Memcached) and `plain` (any bytes, to the Redis server). */
  readonly main: Endpoint;
  readonly cache: Endpoint;
  readonly plain: Endpoint;
  readonly redis: RedisServer;
  readonly admin: string;
}

/** Ends with `stopAll`. @param lines of every pool that has requests @param topLines of none */
export async function startOperatorRig(
  workers: number,
  lines: readonly string[] = [],
  topLines: readonly string[] = [],
): Promise<OperatorRig> {
  const redis = await startRedis();
  const memcached = await startMemcached();
  stops.push(
    () => redis.stop(),
    () => memcached.stop(),
  );
  const ports = { main: freePort(), cache: freePort(), plain: freePort(), admin: freePort() };
  const pool = (name: keyof typeof ports, protocol: string, server: Server): string[] => [
    `  ${name}:`,
    `    listen: 127.0.0.1:${ports[name]}`,
    `    protocol: ${protocol}`,
    `    servers: ["${server.host}:${server.port}:1 ${name}-1"]`,
    ...(protocol === "tcp" ? [] : lines.map((line) => `    ${line}`)),
  ];
  const config = [
    `workers: ${workers}`,
    "accept: dispatch",
    `admin: { listen: 127.0.0.1:${ports.admin} }`,
    ...topLines,
    "pools:",
    ...pool("main", "redis", redis),
    ...pool("cache", "memcache", memcached),
    ...pool("plain", "tcp", redis),
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n") });
  stops.push(() => proxy.stop());
  const at = (name: keyof typeof ports): Endpoint => ({ host: "127.0.0.1", port: ports[name] });
  return {
    ...{ proxy, redis, main: at("main"), cache: at("cache"), plain: at("plain") },
    admin: `http://127.0.0.1:${ports.admin}`,
  };
}

/** A generation with another number of workers takes over, and the clients move. */
export async function reloadWith({ proxy }: OperatorRig, workers: number): Promise<void> {
  const text = readFileSync(proxy.configFile, "utf8");
  writeFileSync(proxy.configFile, text.replace(/^workers: \d+$/m, `workers: ${workers}`));
  const { crew } = await mustRun<{ crew: GenerationResult | null }>(proxy, "reload");
  if (crew === null) throw new Error("the reload changed nothing");
}

export async function respClient(endpoint: Endpoint): Promise<RespClient> {
  const client = await RespClient.connect(endpoint);
  stops.push(async () => client.close());
  return client;
}

export async function textClient(endpoint: Endpoint): Promise<TextClient> {
  const client = await TextClient.connect(endpoint);
  stops.push(async () => client.close());
  return client;
}
