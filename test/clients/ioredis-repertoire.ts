/**
 * What programs do with ioredis, and with iovalkey, which descends from it: no options but where the server is. Each
 * part is played straight to Redis and through the proxy, and must find the same everywhere.
 */
import { expect } from "bun:test";
import type { Redis as IoRedis } from "ioredis";
import type { Part, Surroundings } from "./repertoire.ts";

export type IoRedisClass = typeof IoRedis;

/** @param Client ioredis's class, or one like it. */
export function ioRedisParts(Client: IoRedisClass): Readonly<Record<string, Part>> {
  const part =
    (play: (connect: Connect, around: Surroundings) => Promise<void>): Part =>
    async (around) => {
      const opened: IoRedis[] = [];
      const connect: Connect = (options = {}) => {
        const client = new Client(around.port, around.host, options);
        opened.push(client);
        return client;
      };
      try {
        await play(connect, around);
      } finally {
        for (const client of opened) client.disconnect();
      }
    };
  return {
    pipelines: part(pipelines),
    transactions: part(transactions),
    scripts: part(scripts),
    functions: part(functions),
    blocking: part(blocking),
    subscriptions: part(subscriptions),
    scans: part(scans),
    streams: part(streams),
    databases: part(databases),
    sessions: part(sessions),
  };
}

type Connect = (options?: { db?: number; connectionName?: string }) => IoRedis;

async function pipelines(connect: Connect): Promise<void> {
  const client = connect();
  const replies = await client
    .pipeline()
    .set("{p}a", 1)
    .incr("{p}a")
    .hset("{p}h", "f", "v")
    .incr("{p}h")
    .get("{q}none")
    .exec();
  expect(replies?.map(([error, reply]) => error?.message.split(" ")[0] ?? reply)).toEqual([
    ...["OK", 2, 1, "WRONGTYPE", null],
  ]);
}

async function transactions(connect: Connect): Promise<void> {
  const [client, other] = [connect(), connect()];
  expect(await client.multi().set("{t}a", 1).incr("{t}a").get("{t}a").exec()).toEqual([
    [null, "OK"],
    [null, 2],
    [null, "2"],
  ]);
  // A conflict, then the same without one.
  await client.watch("{t}a");
  await other.set("{t}a", "theirs");
  expect(await client.multi().set("{t}a", "mine").exec()).toBeNull();
  await client.watch("{t}a");
  expect(await client.get("{t}a")).toBe("theirs");
  expect(await client.multi().set("{t}a", "mine").exec()).toEqual([[null, "OK"]]);
  await client.watch("{t}a");
  await client.unwatch();
  await other.set("{t}a", "theirs");
  expect((await client.multi().get("{t}a").exec())?.[0]?.[1]).toBe("theirs");
  // Step by step, given up, and with mistakes.
  await client.multi({ pipeline: false });
  expect(`${await client.set("{t}b", 1)}`).toBe("QUEUED");
  expect(await client.discard()).toBe("OK");
  expect(await client.exists("{t}b")).toBe(0);
  const [good, bad] = (await client.multi().set("{t}s", "x").incr("{t}s").exec()) ?? [];
  expect(good).toEqual([null, "OK"]);
  expect(bad?.[0]?.message).toContain("not an integer");
  await expect(client.multi().set("{t}s", "y").call("NOSUCHCOMMAND").exec()).rejects.toThrow(
    "EXECABORT",
  );
  expect(await client.get("{t}s")).toBe("x");
  // Twenty clients that count together lose nothing.
  const counters = Array.from({ length: 20 }, () => connect());
  await Promise.all(counters.map((counter) => increment(counter, "{t}n", 5)));
  expect(await client.get("{t}n")).toBe("100");
}

/** Optimistic locking, as the manuals have it. */
async function increment(client: IoRedis, key: string, times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    await client.watch(key);
    const value = Number(await client.get(key));
    const outcome = await client
      .multi()
      .set(key, value + 1)
      .exec();
    if (outcome !== null) done += 1;
  }
}

async function scripts(connect: Connect): Promise<void> {
  const client = connect();
  client.defineCommand("appendAndGet", {
    numberOfKeys: 1,
    lua: "redis.call('APPEND', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])",
  });
  const custom = client as IoRedis & {
    appendAndGet(key: string, text: string): Promise<string>;
  };
  for (const tag of ["a", "b", "c", "d", "e", "f"]) {
    expect(await custom.appendAndGet(`${tag}:s`, "x")).toBe("x");
    expect(await custom.appendAndGet(`${tag}:s`, "y")).toBe("xy");
  }
  expect(await client.script("FLUSH")).toBe("OK");
  for (const tag of ["a", "b", "c"]) expect(await custom.appendAndGet(`${tag}:s`, "z")).toBe("xyz");
  const sha = (await client.script("LOAD", "return {KEYS[1],ARGV[1]}")) as string;
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, at) => client.evalsha(sha, 1, `key:${at}`, at)),
  );
  expect(all).toEqual(Array.from({ length: 50 }, (_, at) => [`key:${at}`, `${at}`]));
  expect(await client.script("EXISTS", sha, "0".repeat(40))).toEqual([1, 0]);
  expect(await client.eval("return 1", 0)).toBe(1);
  const pipeline = client.pipeline() as ReturnType<IoRedis["pipeline"]> & {
    appendAndGet(key: string, text: string): ReturnType<IoRedis["pipeline"]>;
  };
  pipeline.set("a:s", "1");
  pipeline.appendAndGet("a:s", "2");
  expect(await pipeline.exec()).toEqual([
    [null, "OK"],
    [null, "12"],
  ]);
}

const LIBRARY =
  "#!lua name=lib\nredis.register_function('put', function(k, a) return redis.call('SET', k[1], a[1]) end)\n" +
  "redis.register_function{function_name='get', callback=function(k) return redis.call('GET', k[1]) end, flags={'no-writes'}}";

async function functions(connect: Connect): Promise<void> {
  const client = connect();
  expect(await client.function("LOAD", "REPLACE", LIBRARY)).toBe("lib");
  for (let at = 0; at < 20; at++) {
    expect(await client.fcall("put", 1, `key:${at}`, at)).toBe("OK");
    expect(await client.fcall_ro("get", 1, `key:${at}`)).toBe(`${at}`);
  }
  expect(await client.function("DELETE", "lib")).toBe("OK");
  await expect(client.fcall("put", 1, "key:1", 1)).rejects.toThrow("Function not found");
}

async function blocking(connect: Connect, { blocked }: Surroundings): Promise<void> {
  const [waiting, leaving, client] = [connect(), connect(), connect()];
  const popped = waiting.blpop("{b}q", 0);
  await blocked(1);
  const lost = leaving.blpop("{b}q", 0).catch((error: Error) => error);
  await blocked(2);
  leaving.disconnect();
  expect(await lost).toBeInstanceOf(Error);
  await blocked(1);
  expect(await client.rpush("{b}q", "first", "second")).toBe(2);
  expect(await popped).toEqual(["{b}q", "first"]);
  expect(await client.lrange("{b}q", 0, -1)).toEqual(["second"]);
  expect(await waiting.blpop("{b}none", 0.01)).toBeNull();
  const moved = waiting.blmove("{b}from", "{b}to", "LEFT", "RIGHT", 0);
  const scored = connect().bzpopmin("{b}z", 0);
  await blocked(2);
  await client.zadd("{b}z", 1.5, "m");
  await client.rpush("{b}from", "x");
  expect(await moved).toBe("x");
  expect(await scored).toEqual(["{b}z", "m", "1.5"]);
}

async function subscriptions(connect: Connect): Promise<void> {
  const [subscriber, patterns, publisher] = [connect(), connect(), connect()];
  const got: string[] = [];
  const wait = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => (got.length >= count ? resolve() : void setImmediate(look));
      look();
    });
  subscriber.on("message", (channel, message) => got.push(`${channel} ${message}`));
  patterns.on("pmessage", (pattern, channel, message) =>
    got.push(`${pattern} ${channel} ${message}`),
  );
  expect(await subscriber.subscribe("news", "weather")).toBe(2);
  expect(await patterns.psubscribe("n*")).toBe(1);
  expect(await publisher.publish("weather", "sunny")).toBe(1);
  await wait(1);
  expect(await publisher.publish("news", "good")).toBe(2);
  await wait(3);
  expect(got.sort()).toEqual(["n* news good", "news good", "weather sunny"]);
  got.length = 0;
  await Promise.all(Array.from({ length: 200 }, (_, at) => publisher.publish("weather", `${at}`)));
  await wait(200);
  expect(got).toEqual(Array.from({ length: 200 }, (_, at) => `weather ${at}`));
  expect(await subscriber.unsubscribe("news", "weather")).toBe(0);
  expect(await patterns.punsubscribe("n*")).toBe(0);
  expect(await subscriber.set("{s}k", "usable again")).toBe("OK");
  expect(await publisher.publish("news", "nobody")).toBe(0);
}

/** Keys that are there all the time are all seen, whatever comes and goes meanwhile. */
async function scans(connect: Connect): Promise<void> {
  const [client, other] = [connect(), connect()];
  const stable = Array.from({ length: 1500 }, (_, at) => `stable:${at}`);
  await client.mset(...stable.flatMap((key) => [key, "1"]));
  const seen = new Set<string>();
  let round = 0;
  for await (const keys of client.scanStream({ match: "stable:*", count: 50 })) {
    for (const key of keys as string[]) seen.add(key);
    round += 1;
    await other.mset(...Array.from({ length: 20 }, (_, at) => [`new:${round}:${at}`, "1"]).flat());
    if (round > 1) {
      await other.del(...Array.from({ length: 20 }, (_, at) => `new:${round - 1}:${at}`));
    }
  }
  expect(seen.size).toBe(1500);
  expect((await client.keys("stable:*")).length).toBe(1500);
  const members = Array.from({ length: 1000 }, (_, at) => `member ${at}`);
  await client.sadd("set", ...members);
  const found: string[] = [];
  for await (const some of client.sscanStream("set")) found.push(...(some as string[]));
  expect(new Set(found).size).toBe(1000);
  await client.flushall();
  expect(await client.dbsize()).toBe(0);
  expect(await client.randomkey()).toBeNull();
}

async function streams(connect: Connect, { blocked }: Surroundings): Promise<void> {
  const [client, worker] = [connect(), connect()];
  await client.xgroup("CREATE", "{x}s", "group", "$", "MKSTREAM");
  const read = worker.xreadgroup(
    ...(["GROUP", "group", "worker", "COUNT", 10, "BLOCK", 0, "STREAMS", "{x}s", ">"] as const),
  );
  await blocked(1);
  const id = (await client.xadd("{x}s", "*", "field", "value")) ?? "";
  expect(await read).toEqual([["{x}s", [[id, ["field", "value"]]]]]);
  expect((await client.xpending("{x}s", "group"))[0]).toBe(1);
  expect(await worker.xack("{x}s", "group", id)).toBe(1);
  expect(await client.xlen("{x}s")).toBe(1);
  expect(await client.xread("STREAMS", "{x}s", 0)).toEqual([["{x}s", [[id, ["field", "value"]]]]]);
}

async function databases(connect: Connect): Promise<void> {
  const [zero, five] = [connect(), connect({ db: 5 })];
  await five.set("k", "five");
  expect(await zero.get("k")).toBeNull();
  await zero.set("k", "zero");
  expect(await five.get("k")).toBe("five");
  expect(await zero.select(5)).toBe("OK");
  expect(await zero.get("k")).toBe("five");
  expect(await zero.move("k", 6)).toBe(1);
  expect(await five.exists("k")).toBe(0);
  await expect(zero.select(99)).rejects.toThrow("DB index is out of range");
}

async function sessions(connect: Connect): Promise<void> {
  const client = connect({ connectionName: "somebody" });
  expect(await client.client("GETNAME")).toBe("somebody");
  expect(await client.client("ID")).toBeGreaterThan(0);
  expect(await client.info()).toContain("redis_version:");
  expect(`${await client.client("LIST")}`).toContain("name=somebody");
  expect(await client.acl("WHOAMI")).toBe("default");
  expect(await client.echo("x")).toBe("x");
  expect(await client.quit()).toBe("OK");
}
