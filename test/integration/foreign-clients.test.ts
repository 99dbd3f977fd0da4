/** Clients that speak another protocol than the pool that they have come to: told so, logged, and never obeyed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cut } from "../support/chunked-client.ts";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { TextClient } from "../support/text-client.ts";

let redis: RedisServer;
let memcached: MemcachedServer;
let proxy: ProxyProcess;
const redisPool = { host: "127.0.0.1", port: freePort() };
const memcachePool = { host: "127.0.0.1", port: freePort() };

const config = (): string => `
redis:
  listen: 127.0.0.1:${redisPool.port}
  redis: true
  servers: ["127.0.0.1:${redis.port}:1"]
memcache:
  listen: 127.0.0.1:${memcachePool.port}
  servers: ["127.0.0.1:${memcached.port}:1"]
`;

beforeAll(async () => {
  [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
  proxy = await startProxy({ config: config(), args: ["--workers", "1"] });
});

afterAll(async () => {
  await proxy?.stop();
  await Promise.all([redis?.stop(), memcached?.stop()]);
});

/** What comes for the pieces, each in a write of its own, until the proxy closes. */
async function exchange(
  endpoint: { host: string; port: number },
  pieces: readonly Buffer[],
): Promise<string> {
  const client = await TextClient.connect(endpoint);
  await client.sendPieces(pieces);
  const all = await client.untilClosed();
  return all.toString("latin1");
}

/** Cut at every place, and into single bytes. */
function everyCut(text: string): Buffer[][] {
  const bytes = Buffer.from(text, "latin1");
  const all = Array.from({ length: bytes.length }, (_, at) => at);
  return [[bytes], ...all.slice(1).map((at) => cut(bytes, [at])), cut(bytes, all)];
}

const warnings = (pool: string): string[] =>
  proxy
    .stderr()
    .split("\n")
    .filter((line) => / warn /.test(line) && line.includes(`pool=${pool} `));

describe("a web page cannot have a browser give commands", () => {
  const heads = ["POST / HTTP/1.1\r\nX: 1\r\n\r\n", "GET /\r\n", "X: 1\r\nhost: x\r\n"];

  test("to Memcached, wherever the bytes are cut", async () => {
    for (const head of heads) {
      for (const pieces of everyCut(`${head}set smuggled 0 0 1\r\na\r\n`)) {
        const replies = await exchange(memcachePool, pieces);
        expect(replies.replace("ERROR\r\n", "")).toBe("");
      }
    }
    const direct = await TextClient.connect({ host: memcached.host, port: memcached.port });
    expect(await direct.ask("get smuggled\r\n")).toBe("END\r\n");
    direct.close();
  }, 60_000);

  test("to Redis, wherever the bytes are cut", async () => {
    for (const head of ["POST / HTTP/1.1\r\nX: 1\r\n\r\n", "PUT / HTTP/1.1\r\n", "Host: x\r\n"]) {
      for (const pieces of everyCut(`${head}SET smuggled 1\r\n`)) {
        expect(await exchange(redisPool, pieces)).toBe("");
      }
    }
    const direct = await RespClient.connect(redis);
    expect(await direct.ask("EXISTS", "smuggled")).toBe(":0\r\n");
    direct.close();
  }, 60_000);
});

test("a Redis client of a Memcached pool is told, and none of its arguments is a command", async () => {
  const argument = "\r\nset smuggled 0 0 1\r\na\r\n";
  const request = `*2\r\n$4\r\nECHO\r\n$${argument.length}\r\n${argument}\r\n`;
  for (const pieces of everyCut(request)) {
    const reply = "-ERR this port speaks Memcached's protocol, not Redis's\r\n";
    expect(await exchange(memcachePool, pieces)).toBe(reply);
  }
  const direct = await TextClient.connect({ host: memcached.host, port: memcached.port });
  expect(await direct.ask("get smuggled\r\n")).toBe("END\r\n");
  direct.close();
}, 60_000);

test("a Memcached client of a Redis pool is told, and none of its values is a command", async () => {
  const fault = "-ERR Protocol error: this port speaks Redis's protocol, without TLS\r\n";
  for (const pieces of everyCut("set k 0 0 16\r\nSET smuggled two\r\n")) {
    expect(await exchange(redisPool, pieces)).toBe(fault);
  }
  const version = Buffer.alloc(24);
  version.set([0x80, 0x0b]);
  expect(await exchange(redisPool, [version])).toBe(fault);
  const direct = await RespClient.connect(redis);
  expect(await direct.ask("EXISTS", "smuggled")).toBe(":0\r\n");
  direct.close();
}, 60_000);

test("a TLS client is told at once, in the words of the pool's protocol", async () => {
  const hello = Buffer.from("160301020001000001fc0303", "hex");
  expect(await exchange(redisPool, [hello])).toStartWith("-ERR Protocol error: this port speaks");
  expect(await exchange(memcachePool, [hello])).toStartWith("ERROR this port speaks Memcached's");
});

test("the log says once for each kind of client what is to be changed", () => {
  const inRedis = warnings("redis");
  const inMemcache = warnings("memcache");
  const of = (lines: string[], words: string): string[] =>
    lines.filter((line) => line.includes(words));
  expect(
    of(inRedis, 'speaks Memcached, and the pool Redis; should the pool have "redis: false"?'),
  ).toHaveLength(1);
  expect(of(inRedis, "speaks TLS")).toHaveLength(1);
  expect(of(inRedis, "speaks HTTP")).toHaveLength(1);
  expect(inRedis).toHaveLength(3);
  expect(
    of(inMemcache, 'speaks Redis, and the pool Memcached; should the pool have "redis: true"?'),
  ).toHaveLength(1);
  expect(of(inMemcache, "speaks TLS")).toHaveLength(1);
  expect(of(inMemcache, "speaks HTTP")).toHaveLength(1);
  expect(inMemcache).toHaveLength(3);
  for (const line of [...inRedis, ...inMemcache]) expect(line).toMatch(/ peer=127\.0\.0\.1:\d+/);
});

test.each([
  ["a Redis server behind a Memcached pool", 'is "redis: true"', "SERVER_ERROR", "get a\r\n"],
  ["one that does not know the command", 'is "redis: true"', "SERVER_ERROR", "mg a v\r\n"],
  [
    "a Memcached server behind a Redis pool",
    '"redis: false"',
    "-ERR",
    "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
  ],
])("%s is told to clients and in the log", async (_what, advice, error, request) => {
  const isRedis = request.startsWith("*");
  const port = freePort();
  const other = await startProxy({
    config: `crossed:
  listen: 127.0.0.1:${port}
  redis: ${isRedis}
  servers: ["127.0.0.1:${isRedis ? memcached.port : redis.port}:1 server-1"]
`,
    args: ["--workers", "1"],
  });
  let reply: string;
  try {
    const client = await TextClient.connect({ host: "127.0.0.1", port });
    reply = await client.ask(request);
    client.close();
  } finally {
    await other.stop();
  }
  expect(reply).toStartWith(error);
  expect(reply).toContain(advice);
  const trouble = other.stderr().match(/ warn .*server is in trouble .*/)?.[0] ?? "";
  expect(trouble.replaceAll("\\", "")).toContain(advice);
});
