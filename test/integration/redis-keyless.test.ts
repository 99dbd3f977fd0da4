/** Commands without keys: over one server the same bytes as straight, over four what they mean for all of them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { freePort } from "../support/free-port.ts";
import {
  keysByServer,
  type ProxyProcess,
  redisPool,
  startProxy,
} from "../support/proxy-process.ts";
import { exchange, type RedisCommand, type RedisReply } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

const SHARDS = 4;
const ALLOWED = "allow_commands: [CONFIG, SLOWLOG, LATENCY, BGREWRITEAOF, DEBUG]";

let straight: RedisServer;
let behindOne: RedisServer;
let shards: RedisServer[] = [];
let one: ProxyProcess;
let many: ProxyProcess;

beforeAll(async () => {
  const [first, second, ...others] = await Promise.all(
    Array.from({ length: SHARDS + 2 }, () => startRedis()),
  );
  [straight, behindOne, shards] = [first!, second!, others];
  [one, many] = await Promise.all([proxyFor([behindOne]), proxyFor(shards)]);
});

afterAll(async () => {
  await Promise.all([one, many].map((proxy) => proxy.stop()));
  await Promise.all([straight, behindOne, ...shards].map((server) => server.stop()));
});

beforeEach(async () => {
  await onAll(["FLUSHALL"]);
});

function proxyFor(servers: readonly RedisServer[]): Promise<ProxyProcess> {
  const listen = `127.0.0.1:${freePort()}`;
  return startProxy({
    config: redisPool({ listen, servers, lines: [ALLOWED] }),
    args: ["--workers", "1"],
  });
}

async function onAll(...commands: RedisCommand[]): Promise<void> {
  await Promise.all([straight, behindOne, ...shards].map((server) => exchange(server, commands)));
}

async function overMany(...commands: RedisCommand[]): Promise<RedisReply[]> {
  return await exchange(many.endpoints[0]!, commands);
}

async function replies(
  endpoint: Parameters<typeof RespClient.connect>[0],
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

/** Some keys of every shard. */
const KEYS = keysByServer(SHARDS, 5).flat();

function texts(reply: RedisReply | undefined): string[] {
  expect(Array.isArray(reply)).toBe(true);
  return (reply as RedisReply[]).map(String);
}

describe("over one server", () => {
  const commands: RedisCommand[] = [
    ["DBSIZE"],
    ["KEYS", "*"],
    ["RANDOMKEY"],
    ["SCAN", "-1"],
    ["SET", "a", "1"],
    ["DBSIZE"],
    ["KEYS", "*"],
    ["KEYS", "b*"],
    ["RANDOMKEY"],
    ["SCAN", "0"],
    ["SCAN", "0", "MATCH", "a*", "COUNT", "5", "TYPE", "string"],
    ["SCAN", "x"],
    ["SCAN", ""],
    ["SCAN", "0", "COUNT", "0"],
    ["SCAN", "0", "BAD"],
    ["SCAN", "18446744073709551616"],
    ["WAIT", "0", "0"],
    ["WAIT", "1", "10"],
    ["WAIT", "x", "0"],
    ["WAIT", "0", "-1"],
    ["SWAPDB", "0", "1"],
    ["SWAPDB", "0", "99"],
    ["SWAPDB", "1", "0"],
    ["FLUSHDB", "NOW"],
    ["FLUSHDB", "ASYNC"],
    ["FLUSHALL", "SYNC"],
    ["FLUSHALL", "SYNC", "SYNC"],
    ["ACL", "WHOAMI"],
    ["ACL", "GENPASS", "x"],
    ["CONFIG", "GET", "maxmemory"],
    ["CONFIG", "GET", "nosuch"],
    ["CONFIG", "SET", "nosuch", "1"],
    ["MODULE", "LIST"],
    ["MEMORY", "DOCTOR"],
    ["MEMORY", "PURGE"],
    ["MEMORY", "NOSUCH"],
    ["LATENCY", "LATEST"],
    ["LATENCY", "HISTORY", "command"],
    ["LATENCY", "RESET"],
    ["LATENCY", "DOCTOR"],
    ["LATENCY", "GRAPH", "nosuch"],
    ["SLOWLOG", "LEN"],
    ["SLOWLOG", "GET", "-2"],
    ["SLOWLOG", "RESET"],
    ["OBJECT", "HELP"],
    ["LOLWUT", "VERSION", "5", "1", "1", "1"],
    ["INFO", "nosuch"],
    ["INFO", "modules", "cluster"],
    ["DEBUG", "SLEEP", "0"],
  ];

  for (const version of [2, 3] as const) {
    test(`the same bytes as straight, in RESP${version}`, async () => {
      // The lengths of both logs depend on how fast the machine is.
      await onAll(["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
      const wanted = await replies(straight, version, commands);
      const got = await replies(one.endpoints[0]!, version, commands);
      commands.forEach((command, i) => {
        expect(`${command.join(" ")}: ${got[i]}`).toBe(`${command.join(" ")}: ${wanted[i]}`);
      });
    });
  }

  test("INFO has every field that Redis tells, and no other", async () => {
    const fields = (text: string | undefined): string[] =>
      [...(text ?? "").replace("txt:", "").matchAll(/^(# \w+|\w+(?=:))/gm)].map(([name]) => name);
    for (const version of [2, 3] as const) {
      const [want] = await replies(straight, version, [["INFO"]]);
      const [have] = await replies(one.endpoints[0]!, version, [["INFO"]]);
      expect(have?.[0]).toBe(want?.[0]);
      const isSteady = (name: string): boolean => !/^(errorstat|db\d)/.test(name);
      expect(fields(have).filter(isSteady)).toEqual(fields(want).filter(isSteady));
      const [proxy, both] = await replies(one.endpoints[0]!, version, [
        ["INFO", "proxy"],
        ["INFO", "Proxy", "clients"],
      ]);
      expect(proxy).toContain("\r\nproxy_servers:1\r\nproxy_servers_up:1\r\n");
      expect(fields(both).filter((name) => name.startsWith("#"))).toEqual(["# Clients", "# Proxy"]);
    }
  });
});

describe("over four servers", () => {
  beforeEach(async () => {
    await overMany(...KEYS.map((key): RedisCommand => ["SET", key, key]));
  });

  test("KEYS, DBSIZE and RANDOMKEY know the keys of all", async () => {
    const [keys, some, size] = await overMany(["KEYS", "*"], ["KEYS", "nosuch*"], ["DBSIZE"]);
    expect(texts(keys).sort()).toEqual([...KEYS].sort());
    expect(texts(some)).toEqual([]);
    expect(size).toBe(KEYS.length);
    const random = await overMany(
      ...Array.from({ length: 300 }, (): RedisCommand => ["RANDOMKEY"]),
    );
    const seen = new Set(random.map(String));
    for (const key of seen) expect(KEYS).toContain(key);
    // 300 draws of 20 keys: to miss a whole server has a chance of 0.75^300.
    for (const mine of keysByServer(SHARDS, 5))
      expect(mine.some((key) => seen.has(key))).toBe(true);
  });

  test("FLUSHALL and FLUSHDB empty all, and RANDOMKEY of nothing is null in each protocol", async () => {
    const endpoint = many.endpoints[0]!;
    expect(await replies(endpoint, 2, [["FLUSHALL"], ["DBSIZE"], ["RANDOMKEY"]])).toEqual([
      "+OK\r\n",
      ":0\r\n",
      "$-1\r\n",
    ]);
    await overMany(["SET", KEYS[0]!, "1"], ["SET", KEYS.at(-1)!, "1"]);
    expect(await replies(endpoint, 3, [["FLUSHDB", "ASYNC"], ["DBSIZE"], ["RANDOMKEY"]])).toEqual([
      "+OK\r\n",
      ":0\r\n",
      "_\r\n",
    ]);
    expect(await replies(endpoint, 2, [["FLUSHALL", "NOW"], ["KEYS"]])).toEqual([
      "-ERR syntax error\r\n",
      "-ERR wrong number of arguments for 'keys' command\r\n",
    ]);
  });

  test("in a pipeline FLUSHALL stands where it stands", async () => {
    const writes = KEYS.map((key): RedisCommand => ["SET", key, "new"]);
    const reads = KEYS.map((key): RedisCommand => ["GET", key]);
    const got = await overMany(...writes, ["FLUSHALL"], ...reads, ...writes, ["DBSIZE"]);
    expect(got.filter((reply) => reply === null)).toHaveLength(KEYS.length);
    expect(got.at(-1)).toBe(KEYS.length);
  });

  test("what is set or asked of all servers", async () => {
    const [set, ...rest] = await overMany(
      ["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "100"],
      ["SLOWLOG", "RESET"],
      ...KEYS.map((key): RedisCommand => ["GET", key]),
      ["SLOWLOG", "LEN"],
      ["SLOWLOG", "GET", "3"],
      ["SLOWLOG", "GET", "x"],
      ["LATENCY", "RESET"],
      ["LASTSAVE"],
    );
    expect(String(set)).toBe("OK");
    for (const server of shards) {
      const [config] = await exchange(server, [["CONFIG", "GET", "slowlog-max-len"]]);
      expect(texts(config)).toEqual(["slowlog-max-len", "100"]);
    }
    const [length, log, refused, latency, saved] = rest.filter((_, i) => i > KEYS.length);
    expect(length).toBeGreaterThanOrEqual(KEYS.length);
    expect(log).toHaveLength(3);
    const times = (log as RedisReply[]).map((entry) => (entry as number[])[1]!);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect(refused).toBeInstanceOf(Error);
    expect(latency).toBe(0);
    expect(saved).toBeGreaterThan(1e9);
    await onAll(["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
  });

  test("a setting that one server refuses is an error that says so", async () => {
    await exchange(shards[2]!, [["CONFIG", "SET", "protected-mode", "no"]]);
    const [reply] = await overMany(["CONFIG", "SET", "nosuch", "1"]);
    expect((reply as Error).message).toBe(
      "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
    );
  });

  test("what has no meaning for several servers is refused and says why", async () => {
    const [stats, debug] = await overMany(["MEMORY", "STATS"], ["DEBUG", "SLEEP", "0"]);
    expect((stats as Error).message).toBe(
      "ERR 'MEMORY STATS' is about a single server; connect to the one you mean directly",
    );
    expect((debug as Error).message).toContain("is about a single server");
  });
});

describe("SCAN over four servers", () => {
  async function scan(...options: string[]): Promise<{ seen: string[]; cursors: string[] }> {
    const client = await RespClient.connect(many.endpoints[0]!);
    const [seen, cursors]: [string[], string[]] = [[], []];
    let cursor = "0";
    try {
      do {
        const reply = await client.ask("SCAN", cursor, ...options);
        const found = /^\*2\r\n\$\d+\r\n(\d+)\r\n\*\d+\r\n/.exec(reply);
        if (found === null) throw new Error(reply);
        cursor = found[1]!;
        cursors.push(cursor);
        seen.push(
          ...[...reply.substring(found[0].length).matchAll(/\$\d+\r\n(.*)\r\n/g)].map(
            ([, key]) => key!,
          ),
        );
      } while (cursor !== "0");
    } finally {
      client.close();
    }
    return { seen, cursors };
  }

  test("sees every key, whatever the step", async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `scan:${i}`);
    await overMany(...keys.map((key): RedisCommand => ["SET", key, "1"]));
    for (const count of ["1", "7", "10", "5000"]) {
      const { seen, cursors } = await scan("COUNT", count);
      expect([...new Set(seen)].sort()).toEqual([...keys].sort());
      for (const cursor of cursors) expect(BigInt(cursor) < 2n ** 64n).toBe(true);
    }
  });

  test("passes over servers that are empty", async () => {
    for (const mine of keysByServer(SHARDS, 3)) {
      await onAll(["FLUSHALL"]);
      await overMany(...mine.map((key): RedisCommand => ["SET", key, "1"]));
      expect((await scan()).seen.sort()).toEqual([...mine].sort());
    }
    await onAll(["FLUSHALL"]);
    expect((await scan()).seen).toEqual([]);
  });

  test("sees what is there from start to end while other keys come and go and tables grow", async () => {
    const keys = Array.from({ length: 300 }, (_, i) => `stays:${i}`);
    await overMany(...keys.map((key): RedisCommand => ["SET", key, "1"]));
    let noise = 0;
    const seen = new Set<string>();
    const client = await RespClient.connect(many.endpoints[0]!);
    let cursor = "0";
    do {
      const reply = await client.ask("SCAN", cursor, "COUNT", "10");
      cursor = /^\*2\r\n\$\d+\r\n(\d+)/.exec(reply)![1]!;
      for (const [key] of reply.matchAll(/stays:\d+/g)) seen.add(key);
      const more = Array.from({ length: 6 }, (): RedisCommand => ["SET", `comes:${noise++}`, "1"]);
      await overMany(...more, ["DEL", `comes:${noise - 2}`, `comes:${noise - 9}`]);
    } while (cursor !== "0" && noise < 20_000);
    client.close();
    expect(cursor).toBe("0");
    expect([...seen].sort()).toEqual([...keys].sort());
  });

  test("all options pass, and all servers judge them", async () => {
    const mine = keysByServer(SHARDS, 2).flat();
    await overMany(...mine.map((key): RedisCommand => ["SET", key, "1"]), ["LPUSH", "list", "1"]);
    expect((await scan("TYPE", "list", "COUNT", "100")).seen).toEqual(["list"]);
    expect((await scan("MATCH", mine[0]!)).seen).toEqual([mine[0]!]);
    const wrong: RedisCommand[] = [
      ["SCAN", "0", "COUNT", "0"],
      ["SCAN", "0", "COUNT", "x"],
      ["SCAN", "0", "BAD"],
      ["SCAN", "0", "MATCH"],
      ["SCAN"],
      ["SCAN", "x"],
      ["SCAN", "1x"],
      ["SCAN", " 1"],
      ["SCAN", "+"],
      ["SCAN", "18446744073709551616"],
      ["SCAN", "-18446744073709551616"],
    ];
    expect(await replies(many.endpoints[0]!, 2, wrong)).toEqual(await replies(straight, 2, wrong));
    const fine: RedisCommand[] = [
      ["SCAN", ""],
      ["SCAN", "+0"],
      ["SCAN", "-1"],
      ["SCAN", "18446744073709551615"],
      ["SCAN", "0\0x"],
    ];
    for (const reply of await replies(many.endpoints[0]!, 2, fine)) expect(reply).toStartWith("*2");
    for (const reply of await replies(straight, 2, fine)) expect(reply).toStartWith("*2");
  });

  test("iterators of clients see every key once", async () => {
    const keys = Array.from({ length: 200 }, (_, i) => `it:${i}`);
    await overMany(...keys.map((key): RedisCommand => ["SET", key, "1"]));
    const { port } = many.endpoints[0] as { port: number };
    const ioredis = new Redis(port, "127.0.0.1");
    const first: string[] = [];
    for await (const some of ioredis.scanStream({ match: "it:*", count: 20 })) first.push(...some);
    ioredis.disconnect();
    expect(first.sort()).toEqual([...keys].sort());
    const nodeRedis = await createClient({ url: `redis://127.0.0.1:${port}`, RESP: 3 }).connect();
    const second: string[] = [];
    for await (const some of nodeRedis.scanIterator({ MATCH: "it:*" })) {
      second.push(...(Array.isArray(some) ? some : [some]));
    }
    nodeRedis.destroy();
    expect(second.sort()).toEqual([...keys].sort());
  });
});

describe("INFO over four servers", () => {
  test("adds up what can be added, and says how each server is", async () => {
    await overMany(...KEYS.map((key): RedisCommand => ["SET", key, "1"]));
    for (const [version, type] of [
      [2, "$"],
      [3, "="],
    ] as const) {
      const [text = ""] = await replies(many.endpoints[0]!, version, [["INFO"]]);
      expect(text).toStartWith(type);
      const field = (name: string): string | undefined =>
        new RegExp(`^${name}:(.*)\r$`, "m").exec(text)?.[1];
      expect(field("redis_version")).toMatch(/^\d+\.\d+\.\d+$/);
      expect(field("loading")).toBe("0");
      expect(field("role")).toBe("master");
      expect(field("db0")).toBe(`keys=${KEYS.length},expires=0,avg_ttl=0`);
      expect(Number(field("used_memory"))).toBeGreaterThan(SHARDS * 500_000);
      expect(field("run_id")).toBeUndefined();
      expect(field("proxy_servers")).toBe("4");
      expect(field("proxy_servers_up")).toBe("4");
      expect(field("proxy_server3")).toBe("name=s3,state=up");
    }
  });

  test("only the sections that are asked for", async () => {
    const titles = (text = ""): string[] =>
      [...text.matchAll(/^# (\w+)/gm)].map(([, name]) => name!);
    const [proxy, memory, both, none] = await replies(many.endpoints[0]!, 2, [
      ["INFO", "proxy"],
      ["INFO", "Memory", "cpu"],
      ["INFO", "clients", "proxy"],
      ["INFO", "nosuch"],
    ]);
    expect(titles(proxy)).toEqual(["Proxy"]);
    expect(titles(memory)).toEqual(["Memory", "CPU"]);
    expect(titles(both)).toEqual(["Clients", "Proxy"]);
    expect(none).toBe("$0\r\n\r\n");
  });
});
