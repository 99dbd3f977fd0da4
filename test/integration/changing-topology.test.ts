/** Servers of a pool come, leave and are replaced while clients use them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { ServerConfig } from "../../src/api/config.ts";
import { type PoolRig, startPool } from "../support/pool-rig.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

let servers: RedisServer[] = [];
let pools: PoolRig[] = [];
let clients: RespClient[] = [];

beforeAll(async () => {
  servers = await Promise.all([0, 1, 2, 3].map(() => startRedis()));
});

afterEach(() => {
  for (const client of clients) client.close();
  for (const pool of pools) pool.close();
  clients = [];
  pools = [];
});

afterAll(() => Promise.all(servers.map((server) => server.stop())));

/** Server number `index`, under the name `name`. */
function server(index: number, name: string = `s${index}`): ServerConfig {
  const { host, port } = servers[index]!;
  return { name, address: { kind: "tcp", host, port }, weight: 1 };
}

async function start(first: readonly ServerConfig[], lines?: readonly string[]): Promise<PoolRig> {
  const pool = await startPool(first, lines);
  pools.push(pool);
  return pool;
}

async function connect(port: number): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  clients.push(client);
  return client;
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`in vain: ${what}`);
    await Bun.sleep(2);
  }
}

/** A key of `pool` that is on `at` now: found by asking the server itself. */
async function keyOn(pool: PoolRig, at: RedisServer): Promise<string> {
  const client = await connect(pool.port);
  const direct = await connect(at.port);
  for (let i = 0; ; i++) {
    const key = `find:${i}`;
    await client.ask("SET", key, "x");
    const isThere = (await direct.ask("EXISTS", key)) === ":1\r\n";
    await client.ask("DEL", key);
    if (isThere) return key;
  }
}

describe("a pool whose servers change", () => {
  test("loses no request and gives no wrong reply", async () => {
    const pool = await start([server(0), server(1)], ["connect_timeout: 20s"]);
    const faults: string[] = [];
    let isOver = false;
    let batches = 0;
    const run = async (id: number): Promise<void> => {
      const client = await connect(pool.port);
      for (let round = 0; !isOver; round++) {
        const keys = Array.from({ length: 12 }, (_, i) => `${id}:${i}`);
        client.command(
          ...keys.map((key): [string, ...string[]] => ["SET", key, `${key}=${round}`]),
          ...keys.map((key): [string, ...string[]] => ["GET", key]),
          ["MGET", ...keys],
          ["DBSIZE"],
          ["MULTI"],
          ["INCR", `{${id}}n`],
          ["EXEC"],
        );
        const replies = (await client.replies(2 * keys.length + 5)).map((bytes) => `${bytes}`);
        for (const [i, key] of keys.entries()) {
          if (replies[i] !== "+OK\r\n") faults.push(`SET ${key}: ${replies[i]}`);
          const got = replies[keys.length + i]!;
          // Where a key goes changes, and its data stay.
          if (got !== "$-1\r\n" && !got.includes(`\r\n${key}=`)) faults.push(`GET ${key}: ${got}`);
        }
        const all = replies[2 * keys.length]!;
        const wrong = all
          .split("\r\n")
          .filter((line) => line.includes("="))
          .some((line) => !keys.includes(line.slice(0, line.indexOf("="))));
        if (wrong || !all.startsWith("*12\r\n")) faults.push(`MGET: ${all}`);
        if (!/^:\d+\r\n$/.test(replies[2 * keys.length + 1]!)) faults.push("DBSIZE");
        const exec = replies.at(-1)!;
        // One that was open when its server left, or its key moved, has not been executed.
        const isOver =
          /^-EXECABORT .*server \S+ was taken out of the pool/.test(exec) ||
          (exec.startsWith("-EXECABORT ") && replies.at(-2)!.startsWith("-CROSSSLOT "));
        if (!isOver && !/^\*1\r\n:\d+\r\n$/.test(exec))
          faults.push(`EXEC: ${replies.slice(-2).join("")}`);
        batches++;
      }
      client.close();
    };
    const running = Array.from({ length: 16 }, (_, id) => run(id));
    const sets = [
      [server(0), server(1), server(2)],
      [server(2), server(3)],
      [server(1, "s0"), server(2)],
      [server(0)],
      [server(0), server(1), server(2), server(3)],
      [server(3, "s3b"), server(1)],
    ];
    for (let step = 0; step < 60; step++) {
      const before = batches;
      pool.become(sets[step % sets.length]!);
      await until("clients go on", () => batches > before + 8);
    }
    isOver = true;
    await Promise.all(running);
    expect(faults.slice(0, 5)).toEqual([]);
    expect(batches).toBeGreaterThan(480);
    // What was retired has closed its connections.
    for (const left of [servers[0]!, servers[2]!]) {
      const direct = await connect(left.port);
      await until("its connections are closed", async () =>
        (await direct.ask("INFO", "clients")).includes("connected_clients:1\r\n"),
      );
    }
  }, 60_000);

  test("shows the counters of those that are there", async () => {
    const pool = await start([server(0)]);
    const client = await connect(pool.port);
    expect([...pool.shown().keys()]).toEqual(["first", "s0"]);
    await client.ask("SET", "a", "1");
    pool.become([server(0), server(1, "new")]);
    for (let i = 0; i < 64; i++) await client.ask("SET", `k${i}`, "1");
    const shown = pool.shown();
    expect([...shown.keys()]).toEqual(["first", "new", "s0"]);
    expect(shown.get("new")!.requests).toBeGreaterThan(0);
    expect(shown.get("s0")!.requests + shown.get("new")!.requests).toBe(65);
    pool.become([server(1, "new")]);
    expect([...pool.shown().keys()]).toEqual(["first", "new"]);
    pool.become([server(0), server(1, "new")]);
    expect(pool.shown().get("s0")!.requests).toBe(shown.get("s0")!.requests);
  });

  test("ends what waits on one that has left, with an error that says so", async () => {
    const pool = await start([server(0), server(1)], ["hash_tag: '{}'"]);
    const key = await keyOn(pool, servers[1]!);
    const blocked = await connect(pool.port);
    const inside = await connect(pool.port);
    blocked.command(["BLPOP", key, "0"]);
    await inside.ask("MULTI");
    await inside.ask("SET", key, "1");
    const direct = await connect(servers[1]!.port);
    await until("it waits", async () =>
      (await direct.ask("INFO", "clients")).includes("blocked_clients:1"),
    );
    pool.become([server(0)]);
    expect(`${await blocked.reply()}`).toStartWith(
      "-UNBLOCKED the servers of this pool have changed",
    );
    expect(await inside.ask("GET", key)).toMatch(/^-ERR .*taken out of the pool/);
    expect(await inside.ask("EXEC")).toMatch(/^-EXECABORT .*taken out of the pool/);
    expect(await blocked.ask("SET", key, "2")).toBe("+OK\r\n");
    expect(await inside.ask("GET", key)).toBe("$1\r\n2\r\n");
  });

  test("has subscriptions follow", async () => {
    const pool = await start([server(0), server(1)]);
    const subscriber = await connect(pool.port);
    subscriber.command(["SUBSCRIBE", "news"], ["PSUBSCRIBE", "n*"], ["SSUBSCRIBE", "shard"]);
    await subscriber.replies(3);
    const direct = await Promise.all(servers.map(({ port }) => connect(port)));
    const channels = async (at: number): Promise<string> => direct[at]!.ask("PUBSUB", "CHANNELS");
    pool.become([server(2), server(1)]);
    await until("the new server knows", async () => (await channels(2)).includes("news"));
    await until("the old one forgets", async () => (await channels(0)) === "*0\r\n");
    await until(
      "patterns, too",
      async () => (await direct[2]!.ask("PUBSUB", "NUMPAT")) === ":1\r\n",
    );
    await direct[2]!.ask("PUBLISH", "news", "hello");
    const messages = (await subscriber.replies(2)).map((bytes) => `${bytes}`);
    expect(messages.filter((text) => text.includes("hello"))).toHaveLength(2);
    pool.become([server(3)]);
    const publisher = await connect(pool.port);
    await until("shard channels move", async () =>
      (await direct[3]!.ask("PUBSUB", "SHARDCHANNELS")).includes("shard"),
    );
    expect(await publisher.ask("SPUBLISH", "shard", "there")).toBe(":1\r\n");
    expect(`${await subscriber.reply()}`).toContain("there");
    // Without any client the last line goes, too.
    subscriber.close();
  });

  test("puts a server back that has failed, when no other is left", async () => {
    const dead: ServerConfig = {
      ...{ name: "dead", weight: 1 },
      address: { kind: "tcp", host: "127.0.0.1", port: 1 },
    };
    const lines = ["auto_eject_hosts: true", "server_failure_limit: 1"];
    const pool = await start([server(0), dead], [...lines, "server_retry_timeout: 60s"]);
    const client = await connect(pool.port);
    const keys = Array.from({ length: 64 }, (_, i) => `key:${i * 7919}`);
    // The first client makes the proxy ask all servers.
    await client.ask("GET", keys[0]!);
    await until("it is ejected", () => pool.shown().get("dead")!.ejected === 1);
    for (const key of keys) expect(await client.ask("SET", key, "1")).toBe("+OK\r\n");
    pool.become([dead]);
    expect(pool.shown().get("dead")!.ejected).toBe(0);
    expect(await client.ask("GET", keys[0]!)).toStartWith(
      "-ERR Connection refused (server dead has failed",
    );
    pool.become([server(0), server(2)]);
    for (const key of keys) expect(await client.ask("SET", key, "1")).toBe("+OK\r\n");
  });
});
