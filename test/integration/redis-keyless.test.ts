/** Commands without keys: over one server the same bytes as straight, over four what they mean for all of them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type FourShards, repliesTo, SHARDS, startFourShards } from "../support/four-shards.ts";
import { keysByServer } from "../support/proxy-process.ts";
import { exchange, type RedisCommand, type RedisReply } from "../support/redis-exchange.ts";

const ALLOWED = "allow_commands: [CONFIG, SLOWLOG, LATENCY, BGREWRITEAOF, DEBUG]";

let rig: FourShards;

beforeAll(async () => {
  rig = await startFourShards([ALLOWED]);
});

afterAll(async () => {
  await rig.stop();
});

beforeEach(async () => {
  await rig.onAll(["FLUSHALL"]);
});

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
    test(`the same bytes as rig.straight, in RESP${version}`, async () => {
      // The lengths of both logs depend on how fast the machine is.
      await rig.onAll(["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
      const wanted = await repliesTo(rig.straight, version, commands);
      const got = await repliesTo(rig.one, version, commands);
      commands.forEach((command, i) => {
        expect(`${command.join(" ")}: ${got[i]}`).toBe(`${command.join(" ")}: ${wanted[i]}`);
      });
    });
  }

  test("INFO has every field that Redis tells, and no other", async () => {
    const fields = (text: string | undefined): string[] =>
      [...(text ?? "").replace("txt:", "").matchAll(/^(# \w+|\w+(?=:))/gm)].map(([name]) => name);
    for (const version of [2, 3] as const) {
      const [want] = await repliesTo(rig.straight, version, [["INFO"]]);
      const [have] = await repliesTo(rig.one, version, [["INFO"]]);
      expect(have?.[0]).toBe(want?.[0]);
      const isSteady = (name: string): boolean => !/^(errorstat|db\d)/.test(name);
      expect(fields(have).filter(isSteady)).toEqual(fields(want).filter(isSteady));
      const [proxy, both] = await repliesTo(rig.one, version, [
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
    await rig.overMany(...KEYS.map((key): RedisCommand => ["SET", key, key]));
  });

  test("KEYS, DBSIZE and RANDOMKEY know the keys of all", async () => {
    const [keys, some, size] = await rig.overMany(["KEYS", "*"], ["KEYS", "nosuch*"], ["DBSIZE"]);
    expect(texts(keys).sort()).toEqual([...KEYS].sort());
    expect(texts(some)).toEqual([]);
    expect(size).toBe(KEYS.length);
    const random = await rig.overMany(
      ...Array.from({ length: 300 }, (): RedisCommand => ["RANDOMKEY"]),
    );
    const seen = new Set(random.map(String));
    for (const key of seen) expect(KEYS).toContain(key);
    // 300 draws of 20 keys: to miss a whole server has a chance of 0.75^300.
    for (const mine of keysByServer(SHARDS, 5))
      expect(mine.some((key) => seen.has(key))).toBe(true);
  });

  test("FLUSHALL and FLUSHDB empty all, and RANDOMKEY of nothing is null in each protocol", async () => {
    const endpoint = rig.many;
    expect(await repliesTo(endpoint, 2, [["FLUSHALL"], ["DBSIZE"], ["RANDOMKEY"]])).toEqual([
      "+OK\r\n",
      ":0\r\n",
      "$-1\r\n",
    ]);
    await rig.overMany(["SET", KEYS[0]!, "1"], ["SET", KEYS.at(-1)!, "1"]);
    expect(await repliesTo(endpoint, 3, [["FLUSHDB", "ASYNC"], ["DBSIZE"], ["RANDOMKEY"]])).toEqual(
      ["+OK\r\n", ":0\r\n", "_\r\n"],
    );
    expect(await repliesTo(endpoint, 2, [["FLUSHALL", "NOW"], ["KEYS"]])).toEqual([
      "-ERR syntax error\r\n",
      "-ERR wrong number of arguments for 'keys' command\r\n",
    ]);
  });

  test("in a pipeline FLUSHALL stands where it stands", async () => {
    const writes = KEYS.map((key): RedisCommand => ["SET", key, "new"]);
    const reads = KEYS.map((key): RedisCommand => ["GET", key]);
    const got = await rig.overMany(...writes, ["FLUSHALL"], ...reads, ...writes, ["DBSIZE"]);
    expect(got.filter((reply) => reply === null)).toHaveLength(KEYS.length);
    expect(got.at(-1)).toBe(KEYS.length);
  });

  test("what is set or asked of all servers", async () => {
    const [set, ...rest] = await rig.overMany(
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
    for (const server of rig.shards) {
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
    await rig.onAll(["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
  });

  test("a setting that one server refuses is an error that says so", async () => {
    await exchange(rig.shards[2]!, [["CONFIG", "SET", "protected-mode", "no"]]);
    const [reply] = await rig.overMany(["CONFIG", "SET", "nosuch", "1"]);
    expect((reply as Error).message).toBe(
      "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
    );
  });

  test("what has no meaning for several servers is refused and says why", async () => {
    const [stats, debug] = await rig.overMany(["MEMORY", "STATS"], ["DEBUG", "SLEEP", "0"]);
    expect((stats as Error).message).toBe(
      "ERR 'MEMORY STATS' is about a single server; connect to the one you mean directly",
    );
    expect((debug as Error).message).toContain("is about a single server");
    const [sort] = await rig.overMany(["SORT", "list", "BY", "weight_*", "GET", "#"]);
    expect((sort as Error).message).toBe(
      "ERR 'SORT' with BY or GET patterns reads keys of other servers, which a sharded pool cannot do",
    );
  });
});

describe("INFO over four servers", () => {
  test("adds up what can be added, and says how each server is", async () => {
    await rig.overMany(...KEYS.map((key): RedisCommand => ["SET", key, "1"]));
    for (const [version, type] of [
      [2, "$"],
      [3, "="],
    ] as const) {
      const [text = ""] = await repliesTo(rig.many, version, [["INFO"]]);
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
    const [proxy, memory, both, none] = await repliesTo(rig.many, 2, [
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
