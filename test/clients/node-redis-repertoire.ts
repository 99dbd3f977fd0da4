/**
 * What programs do with node-redis: no options but where the server is. Each part is played straight to Redis and
 * through the proxy, in RESP3 (its default) and in RESP2, and must find the same everywhere.
 */
import { expect } from "bun:test";
import { createClient, defineScript, WatchError } from "redis";
import type { Part, Surroundings } from "./repertoire.ts";

const SCRIPTS = {
  addTwice: defineScript({
    SCRIPT: "redis.call('INCRBY', KEYS[1], ARGV[1]) return redis.call('INCRBY', KEYS[1], ARGV[1])",
    NUMBER_OF_KEYS: 1,
    FIRST_KEY_INDEX: 1,
    parseCommand(parser, key: string, amount: number) {
      parser.pushKey(key);
      parser.push(`${amount}`);
    },
    transformReply: (reply: unknown): number => Number(reply),
  }),
};

const newClient = (options: { url: string; RESP: 2 | 3; database?: number }) =>
  createClient({ ...options, scripts: SCRIPTS });
type Client = ReturnType<typeof newClient>;
type Connect = (options?: { database?: number }) => Promise<Client>;

export function nodeRedisParts(version: 2 | 3): Readonly<Record<string, Part>> {
  const part =
    (play: (connect: Connect, around: Surroundings) => Promise<void>): Part =>
    async (around) => {
      const opened: Client[] = [];
      const url = `redis://${around.host}:${around.port}`;
      const connect: Connect = async (options = {}) => {
        const client = newClient({ url, RESP: version, ...options });
        // One that is destroyed while it waits says so; the part sees that from its own promises.
        client.on("error", () => {});
        opened.push(client);
        await client.connect();
        return client;
      };
      try {
        await play(connect, around);
      } finally {
        for (const client of opened) if (client.isOpen) client.destroy();
      }
    };
  return {
    transactions: part(transactions),
    scripts: part(scripts),
    functions: part(functions),
    blocking: part(blocking),
    subscriptions: part(subscriptions),
    scans: part(scans),
    streams: part(streams),
    databases: part(databases),
    sessions: part(sessions),
    maps: part(maps),
  };
}

async function transactions(connect: Connect): Promise<void> {
  const [client, other] = [await connect(), await connect()];
  const replies = await client.multi().set("{t}a", "1").incr("{t}a").get("{t}a").exec();
  expect(replies.map(String)).toEqual(["OK", "2", "2"]);
  await client.watch("{t}a");
  await other.set("{t}a", "theirs");
  await expect(client.multi().set("{t}a", "mine").exec()).rejects.toBeInstanceOf(WatchError);
  await client.watch(["{t}a", "{t}b"]);
  expect(await client.get("{t}a")).toBe("theirs");
  expect((await client.multi().set("{t}a", "mine").exec()).map(String)).toEqual(["OK"]);
  await client.watch("{t}a");
  await client.unwatch();
  await other.set("{t}a", "theirs");
  expect((await client.multi().get("{t}a").exec()).map(String)).toEqual(["theirs"]);
}

async function scripts(connect: Connect): Promise<void> {
  const client = await connect();
  for (const key of ["a", "b", "c", "d", "e", "f"]) {
    expect(await client.addTwice(key, 2)).toBe(4);
    expect(await client.addTwice(key, 3)).toBe(10);
  }
  const sha = await client.scriptLoad("return {KEYS[1],ARGV[1]}");
  const keys = Array.from({ length: 50 }, (_, at) => `key:${at}`);
  const calls = keys.map((key) => client.evalSha(sha, { keys: [key], arguments: ["x"] }));
  expect(await Promise.all(calls)).toEqual(keys.map((key) => [key, "x"]));
  expect(await client.eval("return 1")).toBe(1);
  expect(await client.scriptFlush()).toBe("OK");
  expect(await client.scriptExists([sha])).toEqual([0]);
  expect(await client.addTwice("a", 0)).toBe(10);
}

const LIBRARY =
  "#!lua name=lib\nredis.register_function('put', function(k, a) return redis.call('SET', k[1], a[1]) end)";

async function functions(connect: Connect): Promise<void> {
  const client = await connect();
  expect(await client.functionLoad(LIBRARY, { REPLACE: true })).toBe("lib");
  for (let at = 0; at < 20; at++) {
    expect(await client.fCall("put", { keys: [`key:${at}`], arguments: [`${at}`] })).toBe("OK");
  }
  expect((await client.functionList()).map((library) => library.library_name)).toEqual(["lib"]);
  expect(await client.functionDelete("lib")).toBe("OK");
}

async function blocking(connect: Connect, { blocked }: Surroundings): Promise<void> {
  const [waiting, leaving, client] = [await connect(), await connect(), await connect()];
  const popped = waiting.blPop("{b}q", 0);
  await blocked(1);
  const lost = leaving.blPop("{b}q", 0).catch((error: Error) => error);
  await blocked(2);
  leaving.destroy();
  expect(await lost).toBeInstanceOf(Error);
  await blocked(1);
  expect(await client.rPush("{b}q", ["first", "second"])).toBe(2);
  expect({ ...(await popped) }).toEqual({ key: "{b}q", element: "first" });
  expect(await client.lRange("{b}q", 0, -1)).toEqual(["second"]);
  expect(await waiting.blPop("{b}none", 0.01)).toBeNull();
  const scored = waiting.bzPopMin("{b}z", 0);
  await blocked(1);
  await client.zAdd("{b}z", { score: 1.5, value: "m" });
  expect({ ...(await scored) }).toEqual({ key: "{b}z", value: "m", score: 1.5 });
}

async function subscriptions(connect: Connect): Promise<void> {
  const [subscriber, publisher] = [await connect(), await connect()];
  const got: string[] = [];
  const wait = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => (got.length >= count ? resolve() : void setImmediate(look));
      look();
    });
  const note = (message: string, channel: string): void => void got.push(`${channel} ${message}`);
  await subscriber.subscribe(["weather", "news"], note);
  await subscriber.pSubscribe("n*", note);
  expect(await publisher.publish("weather", "sunny")).toBe(1);
  await wait(1);
  expect(await publisher.publish("news", "good")).toBe(2);
  await wait(3);
  expect(got).toEqual(["weather sunny", "news good", "news good"]);
  got.length = 0;
  await Promise.all(Array.from({ length: 200 }, (_, at) => publisher.publish("weather", `${at}`)));
  await wait(200);
  expect(got).toEqual(Array.from({ length: 200 }, (_, at) => `weather ${at}`));
  await subscriber.unsubscribe();
  await subscriber.pUnsubscribe();
  // In RESP2 it may come as a Buffer here, straight as well.
  expect(`${await subscriber.set("{s}k", "usable again")}`).toBe("OK");
  await subscriber.sSubscribe("{s}shard", note);
  expect(await publisher.sPublish("{s}shard", "x")).toBe(1);
  await wait(201);
}

async function scans(connect: Connect): Promise<void> {
  const [client, other] = [await connect(), await connect()];
  const stable = Array.from({ length: 1500 }, (_, at) => `stable:${at}`);
  await client.mSet(stable.flatMap((key) => [key, "1"]));
  const seen = new Set<string>();
  let round = 0;
  for await (const keys of client.scanIterator({ MATCH: "stable:*", COUNT: 50 })) {
    for (const key of keys) seen.add(key);
    round += 1;
    await other.mSet(Array.from({ length: 20 }, (_, at) => [`new:${round}:${at}`, "1"]).flat());
    if (round > 1) await other.del(Array.from({ length: 20 }, (_, at) => `new:${round - 1}:${at}`));
  }
  expect(seen.size).toBe(1500);
  expect((await client.keys("stable:*")).length).toBe(1500);
  await client.hSet("hash", Object.fromEntries(stable.map((key) => [key, "1"])));
  const fields = new Set<string>();
  for await (const entries of client.hScanIterator("hash")) {
    for (const { field } of entries) fields.add(field);
  }
  expect(fields.size).toBe(1500);
  expect(await client.flushAll()).toBe("OK");
  expect(await client.dbSize()).toBe(0);
}

async function streams(connect: Connect, { blocked }: Surroundings): Promise<void> {
  const [client, worker] = [await connect(), await connect()];
  await client.xGroupCreate("{x}s", "group", "$", { MKSTREAM: true });
  const read = worker.xReadGroup("group", "worker", { key: "{x}s", id: ">" }, { BLOCK: 0 });
  await blocked(1);
  const id = await client.xAdd("{x}s", "*", { field: "value" });
  expect(JSON.stringify(await read)).toContain(id);
  expect((await client.xPending("{x}s", "group")).pending).toBe(1);
  expect(await worker.xAck("{x}s", "group", id)).toBe(1);
  const claimed = await client.xAutoClaim("{x}s", "group", "other", 0, "0");
  expect(claimed.messages).toEqual([]);
  expect((await client.xInfoGroups("{x}s"))[0]?.name).toBe("group");
}

async function databases(connect: Connect): Promise<void> {
  const [zero, five] = [await connect(), await connect({ database: 5 })];
  await five.set("k", "five");
  expect(await zero.get("k")).toBeNull();
  await zero.select(5);
  expect(await zero.get("k")).toBe("five");
  expect(await zero.move("k", 6)).toBe(1);
  expect((await zero.multi().select(6).get("k").exec()).map(String)).toEqual(["OK", "five"]);
  expect(await zero.exists("k")).toBe(1);
  await expect(zero.select(99)).rejects.toThrow("DB index is out of range");
}

async function sessions(connect: Connect): Promise<void> {
  const client = await connect();
  await client.clientSetName("somebody");
  expect(await client.clientGetName()).toBe("somebody");
  expect(await client.clientId()).toBeGreaterThan(0);
  expect((await client.clientList()).some(({ name }) => name === "somebody")).toBe(true);
  expect((await client.clientInfo()).name).toBe("somebody");
  expect(await client.info()).toContain("redis_version:");
  expect(await client.ping()).toBe("PONG");
}

/** Replies that are maps, doubles and sets in RESP3, and arrays and strings in RESP2. */
async function maps(connect: Connect): Promise<void> {
  const client = await connect();
  await client.hSet("h", { a: "1", b: "2" });
  expect({ ...(await client.hGetAll("h")) }).toEqual({ a: "1", b: "2" });
  await client.zAdd("z", [
    { score: 1.5, value: "m" },
    { score: 2, value: "n" },
  ]);
  expect(await client.zScore("z", "m")).toBe(1.5);
  expect((await client.zRangeWithScores("z", 0, -1)).map((each) => ({ ...each }))).toEqual([
    { value: "m", score: 1.5 },
    { value: "n", score: 2 },
  ]);
  await client.sAdd("s", ["x", "y"]);
  expect([...(await client.sMembers("s"))].sort()).toEqual(["x", "y"]);
  expect(await client.mGet(["h1", "h2"])).toEqual([null, null]);
  expect({ ...(await client.configGet("databases")) }).toEqual({ databases: "16" });
}
