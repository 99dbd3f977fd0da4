/** One Redis straight, one behind a proxy and four behind another, to see what many servers make of a request. */
import { freePort } from "./free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "./proxy-process.ts";
import { exchange, type RedisCommand, type RedisReply } from "./redis-exchange.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

export const SHARDS = 4;

export interface FourShards {
  readonly straight: RedisServer;
  /** Behind the proxy over four. */
  readonly shards: readonly RedisServer[];
  /** The proxies. */
  readonly one: Endpoint;
  readonly many: Endpoint;
  /** Asks every server by itself. */
  onAll(...commands: RedisCommand[]): Promise<void>;
  overMany(...commands: RedisCommand[]): Promise<RedisReply[]>;
  stop(): Promise<void>;
}

/** @param lines further options of both pools */
export async function startFourShards(lines: readonly string[] = []): Promise<FourShards> {
  const servers = await Promise.all(Array.from({ length: SHARDS + 2 }, () => startRedis()));
  const [straight, behindOne, ...shards] = servers;
  const proxies = await Promise.all([proxyFor([behindOne!], lines), proxyFor(shards, lines)]);
  const many = proxies[1]!.endpoints[0]!;
  return {
    ...{ straight: straight!, shards, one: proxies[0]!.endpoints[0]!, many },
    async onAll(...commands) {
      await Promise.all(servers.map((server) => exchange(server, commands)));
    },
    overMany: (...commands) => exchange(many, commands),
    async stop() {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

function proxyFor(
  servers: readonly RedisServer[],
  lines: readonly string[],
): Promise<ProxyProcess> {
  const listen = `127.0.0.1:${freePort()}`;
  return startProxy({
    config: redisPool({ listen, servers, lines }),
    args: ["--workers", "1"],
  });
}

/** The replies to one pipeline, as text of their bytes. */
export async function repliesTo(
  endpoint: Endpoint,
  version: 2 | 3,
  commands: readonly RedisCommand[],
): Promise<string[]> {
  const client = await RespClient.connect(endpoint);
  try {
    if (version === 3) await client.ask("HELLO", "3");
    client.command(...commands);
    return (await client.replies(commands.length)).map((reply) => reply.toString("latin1"));
  } finally {
    client.close();
  }
}
