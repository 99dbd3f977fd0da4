/** `transactions: split` with real servers and the clients of two libraries. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { freePort } from "../support/free-port.ts";
import { eventually } from "../support/identity-rig.ts";
import {
  keysByServer,
  type ProxyProcess,
  redisPool,
  startProxy,
} from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

setDefaultTimeout(120_000);

const SERVERS = 3;
const KEYS = keysByServer(SERVERS, 4);
/** Neighbours are on different servers. */
const MIXED = Array.from({ length: SERVERS * 4 }, (_, i) => KEYS[i % SERVERS]![i % 4]!);
const port = freePort();
let servers: RedisServer[] = [];
let proxy: ProxyProcess;

beforeAll(async () => {
  servers = await Promise.all(Array.from({ length: SERVERS }, () => startRedis()));
  const lines = ["timeout: 2000", "transactions: split"];
  const config = redisPool({ listen: `127.0.0.1:${port}`, servers, lines });
  proxy = await startProxy({ config, args: ["--workers", "1"] });
});

afterAll(async () => {
  await proxy.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

test("ioredis: a multi over all servers", async () => {
  const client = new IoRedis({ host: "127.0.0.1", port });
  const multi = client.multi();
  for (const [i, key] of MIXED.entries()) multi.set(key, `${key}=${i}`);
  for (const key of MIXED) multi.get(key);
  const results = await multi.exec();
  const last = new Map(MIXED.map((key, i) => [key, `${key}=${i}`]));
  expect(results!.map(([error, value]) => error ?? value)).toEqual([
    ...MIXED.map(() => "OK"),
    ...MIXED.map((key) => last.get(key)),
  ]);
  expect(await client.mget(...MIXED)).toEqual(MIXED.map((key) => last.get(key)!));
  client.disconnect();
});

test("node-redis, with RESP3: a multi over all servers, and an error in it", async () => {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 3 });
  await client.connect();
  await client.set(MIXED[1]!, "word");
  const replies = await client
    .multi()
    .set(MIXED[0]!, "2")
    .incr(MIXED[1]!)
    .get(MIXED[0]!)
    .exec()
    .catch((error) => error.replies);
  expect(replies.map(String)).toEqual([
    "OK",
    expect.stringContaining("value is not an integer"),
    "2",
  ]);
  client.destroy();
});

test("each server executes its part at once, or not at all, and EXEC says what became of which", async () => {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  const before = await Promise.all(
    servers.map(async (server) => {
      const own = await RespClient.connect({ host: "127.0.0.1", port: server.port });
      const found = /cmdstat_exec:calls=(\d+)/.exec(await own.ask("INFO", "commandstats"));
      own.close();
      return Number(found?.[1] ?? 0);
    }),
  );
  client.command(["MULTI"], ...MIXED.map((key) => ["SET", key, "w"]), ["EXEC"]);
  const replies = await client.replies(MIXED.length + 2);
  expect(`${replies.at(-1)}`).toBe(`*${MIXED.length}\r\n${"+OK\r\n".repeat(MIXED.length)}`);
  for (const [i, server] of servers.entries()) {
    const own = await RespClient.connect({ host: "127.0.0.1", port: server.port });
    expect(await own.ask("INFO", "commandstats")).toContain(
      `cmdstat_exec:calls=${before[i]! + 1},`,
    );
    own.close();
  }
  expect(await client.ask("WATCH", MIXED[0]!)).toContain("transactions: split");
  await servers[1]!.stop();
  let last = "";
  await eventually("the proxy knows that a server is away", async () => {
    client.command(["MULTI"], ...MIXED.map((key) => ["SET", key, "x"]), ["EXEC"]);
    last = `${(await client.replies(MIXED.length + 2)).at(-1)}`;
    return last.includes("-ERR");
  });
  const elements = last.split("\r\n").slice(1, -1);
  expect(last).toStartWith(`*${MIXED.length}\r\n`);
  expect(elements.map((text) => text === "+OK")).toEqual(MIXED.map((_, i) => i % SERVERS !== 1));
  expect(elements[1]).toContain("server s1");
  client.close();
});
