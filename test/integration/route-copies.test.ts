/** Nodes of `route:` that write several pools, or ask a second one when the first is late, with real servers. */
import { afterEach, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { exchange, type RedisReply } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import type { Endpoint } from "../support/server-process.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

afterEach(stopAll);

interface Server {
  readonly host: string;
  readonly port: number;
}

interface Rig {
  readonly proxy: ProxyProcess;
  readonly app: Endpoint;
  /** Port of the admin process. */
  readonly admin: number;
}

/** Pools `one` and `two` of these servers, and `app` before them. @param lines of `app` @param leaf of each leaf */
async function startPools(
  one: readonly Server[],
  two: readonly Server[],
  lines: readonly string[],
  leaf: readonly string[] = [],
): Promise<Rig> {
  const port = freePort();
  const pool = (name: string, servers: readonly Server[]): string[] => [
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

async function redisServers(count: number): Promise<RedisServer[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis()));
  for (const server of servers) stops.push(() => server.stop());
  return servers;
}

async function clientOf(app: Endpoint): Promise<RespClient> {
  const client = await RespClient.connect(app);
  stops.push(async () => client.close());
  return client;
}

async function keysOf(servers: readonly Endpoint[]): Promise<string[]> {
  const found = await Promise.all(servers.map((server) => exchange(server, [["KEYS", "*"]])));
  return found.flatMap(([keys]) => (keys as readonly RedisReply[]).map(String)).sort();
}

/** Until it is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await Bun.sleep(5);
}

/** A counter of the set `route`, of the pool `app`. */
async function counted({ admin }: Pick<Rig, "admin">, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  const found = new RegExp(`route_${name}\\w*\\{[^}]*"app"[^}]*\\} (\\d+)`).exec(text);
  return found === null ? -1 : Number(found[1]);
}

const KEYS = Array.from({ length: 12 }, (_, i) => `key:${i}`);

test("all pools are written, reads go to the first, and what cannot be done in all is refused", async () => {
  const [one, ...two] = await redisServers(3);
  const rig = await startPools([one!], two, ["route: { all: [one, two] }"]);
  const client = await clientOf(rig.app);
  const sets = KEYS.flatMap((key) => [key, "1"]);
  expect(await client.ask("MSET", ...sets)).toBe("+OK\r\n");
  expect([await keysOf([one!]), await keysOf(two)]).toEqual([[...KEYS].sort(), [...KEYS].sort()]);
  const script = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
  expect(await client.ask("EVAL", script, "1", "key:1", "4")).toBe(":5\r\n");
  await exchange(one!, [["SET", "key:2", "first"]]);
  expect(await client.ask("GET", "key:2")).toBe("$5\r\nfirst\r\n");
  expect(await client.ask("DEL", ...KEYS.filter((key) => key !== "key:1"))).toBe(":11\r\n");
  expect([await keysOf([one!]), await keysOf(two)]).toEqual([["key:1"], ["key:1"]]);
  // An error of one of them is the reply.
  for (const server of two) await exchange(server, [["SET", "key:1", "text"]]);
  expect(await client.ask("INCR", "key:1")).toContain("not an integer");
  expect(await client.ask("MULTI")).toBe("+OK\r\n");
  expect(await client.ask("SET", "key:1", "2")).toContain("to several pools");
  await client.ask("DISCARD");
  expect(await client.ask("FLUSHALL")).toBe("+OK\r\n");
  expect([await keysOf([one!]), await keysOf(two)]).toEqual([[], []]);
  expect(await counted(rig, "written_to_all")).toBe(4);
});

test("Memcached replicas: writes and deletes go to both, reads to the one that has it", async () => {
  const [here, there] = await Promise.all([startMemcached(), startMemcached()]);
  for (const server of [here!, there!]) stops.push(() => server.stop());
  const lines = [
    "protocol: memcache",
    "route: { read: { main: one, failover: two, on: misses }, write: { all: [one, two] } }",
  ];
  const { app } = await startPools([here!], [there!], lines, [
    "protocol: memcache",
    "timeout: 300ms",
  ]);
  const text = await TextClient.connect(app);
  const [left, right] = await Promise.all(
    [here!, there!].map(({ host, port }) => TextClient.connect({ host, port })),
  );
  stops.push(async () => void [text, left!, right!].map((client) => client.close()));
  expect(await text.ask("set k 7 0 1\r\na\r\n")).toBe("STORED\r\n");
  expect(await text.ask("add k 7 0 1\r\nb\r\n")).toBe("NOT_STORED\r\n");
  for (const client of [left!, right!]) {
    expect(await client.ask("get k\r\n", "END\r\n")).toBe("VALUE k 7 1\r\na\r\nEND\r\n");
  }
  await left!.ask("delete k\r\n");
  expect(await text.ask("get k\r\n", "END\r\n")).toBe("VALUE k 7 1\r\na\r\nEND\r\n");
  expect(await text.ask("delete k\r\n")).toBe("NOT_FOUND\r\n");
  expect(await right!.ask("get k\r\n", "END\r\n")).toBe("END\r\n");
  await text.ask("set k 0 0 1\r\nc\r\n");
  await here!.stop();
  await until(
    async () => (await text.ask("get k\r\n", "END\r\n")) === "VALUE k 0 1\r\nc\r\nEND\r\n",
  );
  // A delete reaches the one that lives, and its client hears that the other has failed.
  expect(await text.ask("delete k\r\n")).toStartWith("SERVER_ERROR");
  expect(await right!.ask("get k\r\n", "END\r\n")).toBe("END\r\n");
});

test("a read that is late is answered by another pool, in the same place of a pipeline", async () => {
  const [main, other] = await redisServers(2);
  const lines = ["route: { main: one, hedge: two, after: 20ms, budget: 100% }"];
  const rig = await startPools([main!], [other!], lines);
  const client = await clientOf(rig.app);
  await client.ask("SET", "k", "main");
  await exchange(other!, [["SET", "k", "other"]]);
  expect(await client.ask("GET", "k")).toBe("$4\r\nmain\r\n");
  process.kill(main!.pid, "SIGSTOP");
  stops.push(async () => void process.kill(main!.pid, "SIGCONT"));
  client.command(["GET", "k"], ["SET", "k", "2"], ["STRLEN", "k"], ["GET", "none"]);
  expect(String(await client.reply())).toBe("$5\r\nother\r\n");
  expect(await counted(rig, "hedge_won")).toBeGreaterThan(0);
  process.kill(main!.pid, "SIGCONT");
  // What the other pool does not have, and writes, `main` answers; reads behind a write may come from the other.
  const rest = (await client.replies(3)).map(String);
  expect([rest[0], rest[2]]).toEqual(["+OK\r\n", "$-1\r\n"]);
  expect([":5\r\n", ":1\r\n"]).toContain(rest[1]!);
  await until(async () => (await client.ask("GET", "k")) === "$1\r\n2\r\n");
});
