/** A pool `app` with a `route:` over two others, `one` and `two`, and what there is to ask of them. */
import { freePort } from "./free-port.ts";
import { type ProxyProcess, startProxy } from "./proxy-process.ts";
import { exchange, type RedisReply } from "./redis-exchange.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";
import { stops } from "./upgrade-rig.ts";

export interface RouteRig {
  readonly proxy: ProxyProcess;
  readonly app: Endpoint;
  /** Port of the admin process. */
  readonly admin: number;
}

interface TcpEndpoint {
  readonly host: string;
  readonly port: number;
}

/** Pools `one` and `two` of these servers, and `app` before them. @param lines of `app` @param leaf of each leaf */
export async function startPools(
  one: readonly TcpEndpoint[],
  two: readonly TcpEndpoint[],
  lines: readonly string[],
  leaf: readonly string[] = [],
): Promise<RouteRig> {
  const port = freePort();
  const pool = (name: string, servers: readonly TcpEndpoint[]): string[] => [
    `  ${name}:`,
    `    listen: 127.0.0.1:${freePort()}`,
    `    servers: [${servers.map(({ host, port: at }, i) => `"${host}:${at}:1 ${name}-${i}"`).join(", ")}]`,
    ...leaf.map((line) => `    ${line}`),
  ];
  const admin = freePort();
  const config = [
    `admin: { listen: 127.0.0.1:${admin} }`,
    "pools:",
    ...pool("one", one),
    ...pool("two", two),
    "  app:",
    `    listen: 127.0.0.1:${port}`,
    ...lines.map((line) => `    ${line}`),
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n"), args: ["--workers", "1"] });
  stops.push(() => proxy.stop());
  return { proxy, app: { host: "127.0.0.1", port }, admin };
}

export async function redisServers(count: number): Promise<RedisServer[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis()));
  for (const server of servers) stops.push(() => server.stop());
  return servers;
}

export async function clientOf(app: Endpoint): Promise<RespClient> {
  const client = await RespClient.connect(app);
  stops.push(async () => client.close());
  return client;
}

export async function keysOf(servers: readonly TcpEndpoint[]): Promise<string[]> {
  const found = await Promise.all(servers.map((server) => exchange(server, [["KEYS", "*"]])));
  return found.flatMap(([keys]) => (keys as readonly RedisReply[]).map(String)).sort();
}

/** Until it is so. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await Bun.sleep(5);
}

/** A counter of the set `route`, of the pool `app`. */
export async function counted({ admin }: Pick<RouteRig, "admin">, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  const found = new RegExp(`route_${name}\\w*\\{[^}]*"app"[^}]*\\} (\\d+)`).exec(text);
  return found === null ? -1 : Number(found[1]);
}

export const KEYS: readonly string[] = Array.from({ length: 12 }, (_, i) => `key:${i}`);
