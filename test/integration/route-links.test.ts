/** Nodes of `route:` that act, with real servers: failover and mirror, for both protocols. */
import { afterEach, expect, test } from "bun:test";
import { startMemcached } from "../support/memcached-server.ts";
import { exchange } from "../support/redis-exchange.ts";
import {
  clientOf,
  counted,
  KEYS,
  keysOf,
  redisServers,
  startPools,
  until,
} from "../support/route-rig.ts";
import type { Endpoint } from "../support/server-process.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

afterEach(stopAll);

test("what a dead server cannot take goes to the other pool, split over its servers, and comes back", async () => {
  const [first, second, ...two] = await redisServers(4);
  const { app } = await startPools([first!, second!], two, ["route: { main: one, failover: two }"]);
  const client = await clientOf(app);
  const sets = KEYS.flatMap((key) => [key, key]);
  expect(await client.ask("MSET", ...sets)).toBe("+OK\r\n");
  expect(await keysOf(two)).toEqual([]);
  await first!.stop();
  // Those of the second server are still there; writes that were not sent are executed elsewhere.
  await until(async () => (await client.ask("MSET", ...sets)) === "+OK\r\n");
  const elsewhere = await keysOf(two);
  expect(elsewhere.length).toBeGreaterThan(0);
  expect([...(await keysOf([second!])), ...elsewhere].sort()).toEqual([...KEYS].sort());
  const all = `*${KEYS.length}\r\n${KEYS.map((key) => `$${key.length}\r\n${key}\r\n`).join("")}`;
  expect(await client.ask("MGET", ...KEYS)).toBe(all);
  client.command(...KEYS.map((key) => ["GET", key]));
  for (const key of KEYS) expect(String(await client.reply())).toBe(`$${key.length}\r\n${key}\r\n`);
  expect(await client.ask("DEL", ...KEYS)).toBe(`:${KEYS.length}\r\n`);
});

test("a write that was sent is not sent again, a read is", async () => {
  const [main, other] = await redisServers(2);
  const lines = ["route: { main: one, failover: two }"];
  const { app } = await startPools([main!], [other!], lines, ["timeout: 300ms"]);
  const client = await clientOf(app);
  await client.ask("SET", "k", "main");
  await exchange(other!, [["SET", "k", "other"]]);
  process.kill(main!.pid, "SIGSTOP");
  stops.push(async () => void process.kill(main!.pid, "SIGCONT"));
  client.command(["INCR", "n"], ["GET", "k"], ["APPEND", "k", "x"], ["STRLEN", "k"]);
  expect(String(await client.reply())).toContain("may or may not have been executed");
  expect(String(await client.reply())).toBe("$5\r\nother\r\n");
  expect(String(await client.reply())).toContain("may or may not have been executed");
  expect(String(await client.reply())).toBe(":5\r\n");
  expect(await keysOf([other!])).toEqual(["k"]);
  process.kill(main!.pid, "SIGCONT");
  await until(async () => (await client.ask("GET", "k")).includes("main"));
});

test("on misses, reads that find nothing are looked up in the other pool", async () => {
  const [main, ...two] = await redisServers(3);
  const { app } = await startPools([main!], two, [
    "route: { main: one, failover: two, on: misses }",
  ]);
  const client = await clientOf(app);
  const old = await startPools(two, two, ["route: one"]);
  const filler = await clientOf(old.app);
  for (const key of KEYS) await filler.ask("SET", key, "old");
  await client.ask("SET", "key:1", "new");
  client.command(
    ["GET", "key:0"],
    ["GET", "key:1"],
    ["GET", "key:2"],
    ["GET", "none"],
    ["DEL", "key:0"],
  );
  const replies = (await client.replies(5)).map(String);
  expect(replies).toEqual(["$3\r\nold\r\n", "$3\r\nnew\r\n", "$3\r\nold\r\n", "$-1\r\n", ":0\r\n"]);
});

test("the same script straight at two servers and through failovers", async () => {
  const [main, other, alone] = await redisServers(3);
  const { app } = await startPools([main!], [other!], ["route: { main: one, failover: two }"]);
  await main!.stop();
  const client = await clientOf(app);
  await until(async () => (await client.ask("PING")) === "+PONG\r\n");
  await until(async () => (await client.ask("GET", "x")) === "$-1\r\n");
  const script = [
    ["SET", "a", "1"],
    ["INCRBY", "a", "41"],
    ["GET", "a"],
    ["LPUSH", "a", "x"],
    ["MSET", "b", "2", "c", "3"],
    ["MGET", "a", "b", "c", "none"],
    ["HSET", "h", "f", "v"],
    ["HGETALL", "h"],
    ["EXISTS", "a", "b", "none"],
    ["EXPIRE", "a", "100"],
    ["TTL", "a"],
    ["SETRANGE", "big", "100000", "x"],
    ["GET", "big"],
    ["DEL", "a", "b", "c", "h", "big"],
  ];
  const results = [];
  for (const endpoint of [alone!, app]) {
    const each = await clientOf(endpoint);
    each.command(...script);
    results.push((await each.replies(script.length)).map(String));
  }
  expect(results[1]).toEqual(results[0]!);
});

test("a mirror gets what the main pool gets, and clients see nothing of it", async () => {
  const [main, ...two] = await redisServers(3);
  const { app } = await startPools([main!], two, ["route: { main: one, mirror: two }"]);
  const client = await clientOf(app);
  expect(await client.ask("MSET", ...KEYS.flatMap((key) => [key, "v"]))).toBe("+OK\r\n");
  client.command(["INCR", "n"], ["INCR", "n"], ["GET", "n"]);
  expect((await client.replies(3)).map(String)).toEqual([":1\r\n", ":2\r\n", "$1\r\n2\r\n"]);
  await until(async () => (await keysOf(two)).length === KEYS.length + 1);
  expect(await keysOf(two)).toEqual(await keysOf([main!]));
});

test("a share of keys is mirrored, always the same ones", async () => {
  const [main, mirror] = await redisServers(2);
  const lines = ["route: { main: one, mirror: two, share: 25% }"];
  const { app } = await startPools([main!], [mirror!], lines);
  const client = await clientOf(app);
  const keys = Array.from({ length: 400 }, (_, i) => `user:${i}`);
  client.command(...keys.map((key) => ["SET", key, "1"]));
  await client.replies(keys.length);
  client.command(...keys.map((key) => ["INCR", key]));
  for (const reply of await client.replies(keys.length)) expect(String(reply)).toBe(":2\r\n");
  const size = async (): Promise<number> => Number((await exchange(mirror!, [["DBSIZE"]]))[0]);
  await until(async () => (await size()) > 60);
  const copied = await keysOf([mirror!]);
  expect(copied.length).toBeLessThan(140);
  await until(async () => {
    const values = await exchange(
      mirror!,
      copied.map((key) => ["GET", key]),
    );
    return values.every((value) => String(value) === "2");
  });
});

test("compared mirrors count what differs", async () => {
  const [main, mirror] = await redisServers(2);
  const lines = ["route: { main: one, mirror: two, compare: true }"];
  const rig = await startPools([main!], [mirror!], lines);
  const { app } = rig;
  await exchange(mirror!, [["SET", "b", "other"]]);
  const client = await clientOf(app);
  client.command(["SET", "a", "1"], ["GET", "a"], ["GET", "b"], ["INCR", "a"], ["LPUSH", "b", "x"]);
  expect((await client.replies(5)).map(String)).toEqual([
    "+OK\r\n",
    "$1\r\n1\r\n",
    "$-1\r\n",
    ":2\r\n",
    ":1\r\n",
  ]);
  await until(async () => (await counted(rig, "mirror_different")) === 2);
  await until(async () => (await counted(rig, "mirror_same")) === 3);
});

test.each(["dead", "hanging"] as const)(
  "a %s mirror holds nothing up, and what it does not take is counted",
  async (how) => {
    const [main, mirror] = await redisServers(2);
    const rig = await startPools([main!], [mirror!], ["route: { main: one, mirror: two }"]);
    const { app } = rig;
    const client = await clientOf(app);
    await client.ask("SET", "k", "v");
    if (how === "dead") await mirror!.stop();
    else {
      process.kill(mirror!.pid, "SIGSTOP");
      stops.push(async () => void process.kill(mirror!.pid, "SIGCONT"));
    }
    const value = "x".repeat(10_000);
    for (let round = 0; round < 40; round++) {
      client.command(...Array.from({ length: 100 }, (_, i) => ["SET", `k${i}`, value]));
      for (const reply of await client.replies(100)) expect(String(reply)).toBe("+OK\r\n");
    }
    if (how === "hanging") expect(await counted(rig, "mirror_dropped")).toBeGreaterThan(100);
  },
  60_000,
);

test("Memcached: failover and mirror, text and binary", async () => {
  const [main, other] = [await startMemcached(), await startMemcached()];
  stops.push(
    () => main.stop(),
    () => other.stop(),
  );
  const leaf = ["protocol: memcache"];
  const failover = await startPools(
    [main],
    [other],
    ["protocol: memcache", "route: { main: one, failover: two }"],
    leaf,
  );
  const mirror = await startPools(
    [main],
    [other],
    ["protocol: memcache", "route: { main: one, mirror: two }"],
    leaf,
  );
  const connect = async (endpoint: Endpoint): Promise<TextClient> => {
    const client = await TextClient.connect(endpoint);
    stops.push(async () => client.close());
    return client;
  };
  const copying = await connect(mirror.app);
  expect(await copying.ask("set m 0 0 1\r\n1\r\n")).toBe("STORED\r\n");
  const direct = await connect({ host: other.host, port: other.port });
  await until(async () => (await direct.ask("get m\r\n", "END\r\n")).includes("VALUE m"));
  const client = await connect(failover.app);
  expect(await client.ask("set k 0 0 4\r\nmain\r\n")).toBe("STORED\r\n");
  await main.stop();
  await until(async () => (await client.ask("set k 5 0 5\r\nother\r\n")) === "STORED\r\n");
  expect(await client.ask("get none k m\r\n", "END\r\n")).toBe(
    "VALUE k 5 5\r\nother\r\nVALUE m 0 1\r\n1\r\nEND\r\n",
  );
  expect(await client.ask("mg k v\r\n", "other\r\n")).toBe("VA 5\r\nother\r\n");
  expect(await client.ask("incr k 1\r\n")).toContain("CLIENT_ERROR");
  // Binary: get of "k" with an opaque of its own.
  const binary = await connect(failover.app);
  const request = Buffer.alloc(25);
  request[0] = 0x80;
  request.writeUInt16BE(1, 2);
  request.writeUInt32BE(1, 8);
  request.writeUInt32BE(0xcafe, 12);
  request.write("k", 24);
  binary.send(request);
  const reply = await binary.until("other");
  expect([reply[0], reply.readUInt16BE(6), reply.readUInt32BE(12)]).toEqual([0x81, 0, 0xcafe]);
});

test("a gutter takes what a dead server cannot, for a short while", async () => {
  const [main, gutter] = await redisServers(2);
  const lines = ["route: { main: one, gutter: two, ttl: 20s }"];
  const { app } = await startPools([main!], [gutter!], lines);
  const client = await clientOf(app);
  expect(await client.ask("SET", "k", "main")).toBe("+OK\r\n");
  await main!.stop();
  await until(async () => (await client.ask("SET", "k", "v")) === "+OK\r\n");
  client.command(
    ["SET", "short", "v", "EX", "5"],
    ["SET", "long", "v", "EX", "500"],
    ["MSET", "a", "1", "b", "2"],
    ["HSET", "h", "f", "v"],
    ["EXPIRE", "h", "1000"],
    ["GET", "k"],
    ["DEL", "b"],
  );
  expect((await client.replies(7)).map(String)).toEqual([
    ...["+OK\r\n", "+OK\r\n", "+OK\r\n", ":1\r\n", ":1\r\n", "$1\r\nv\r\n", ":1\r\n"],
  ]);
  const keys = ["k", "short", "long", "a", "h", "b"];
  const ttls = async (): Promise<number[]> =>
    (
      await exchange(
        gutter!,
        keys.map((key) => ["TTL", key]),
      )
    ).map(Number);
  // The last EXPIRE comes behind the reply.
  await until(async () => (await ttls())[4]! <= 20);
  const [k, short, long, a, h, b] = await ttls();
  for (const ttl of [k, long, a, h]) expect(ttl! > 5 && ttl! <= 20).toBe(true);
  expect([short! > 0 && short! <= 5, b]).toEqual([true, -2]);
});

test("Memcached: what a gutter takes lasts no longer than it may", async () => {
  const [main, gutter] = [await startMemcached(), await startMemcached()];
  stops.push(
    () => main.stop(),
    () => gutter.stop(),
  );
  const lines = ["protocol: memcache", "route: { main: one, gutter: two, ttl: 20s }"];
  const { app } = await startPools([main], [gutter], lines, ["protocol: memcache"]);
  const client = await TextClient.connect(app);
  const direct = await TextClient.connect({ host: gutter.host, port: gutter.port });
  for (const each of [client, direct]) stops.push(async () => each.close());
  await main.stop();
  await until(async () => (await client.ask("set k 0 0 1\r\nv\r\n")) === "STORED\r\n");
  await client.ask("set short 0 5 1\r\nv\r\n");
  await client.ask("ms meta 1\r\nv\r\n");
  await client.ask("ms long 1 T900\r\nv\r\n");
  await client.ask(`set date 0 ${Math.floor(Date.now() / 1000) + 5000} 1\r\nv\r\n`);
  await client.ask("touch meta 100\r\n");
  for (const [key, most] of [
    ["k", 20],
    ["short", 5],
    ["meta", 20],
    ["long", 20],
    ["date", 20],
  ]) {
    const reply = await direct.ask(`mg ${key} t\r\n`);
    const ttl = Number(/^HD t(-?\d+)/.exec(reply)?.[1]);
    expect([key, ttl >= Number(most) - 5 && ttl <= Number(most)]).toEqual([key, true]);
  }
});
