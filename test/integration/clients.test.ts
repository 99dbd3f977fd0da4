/** Real clients with their default options, through the proxy over four Redis servers. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

const HOST = "127.0.0.1";
/** The Python that Debian's python3-redis belongs to; another one may come first in the path. */
const PYTHON = "/usr/bin/python3";
const MIB = 1024 * 1024;

let servers: RedisServer[] = [];
let proxy: ProxyProcess | null = null;
let port = 0;

beforeAll(async () => {
  servers = await Promise.all(Array.from({ length: 4 }, () => startRedis()));
  port = freePort();
  proxy = await startProxy({ config: redisPool({ listen: `${HOST}:${port}`, servers }) });
});

afterEach(async () => {
  await Promise.all(servers.map((server) => exchange(server, [["FLUSHALL"]])));
});

afterAll(async () => {
  await proxy?.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

/** How many keys each server has. */
async function keyCounts(): Promise<number[]> {
  const replies = await Promise.all(servers.map((server) => exchange(server, [["DBSIZE"]])));
  return replies.map(([count]) => Number(count));
}

interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: readonly string[], input = ""): Promise<Output> {
  const child = Bun.spawn([...command], {
    stdin: Buffer.from(input, "latin1"),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** Bytes that are not all the same, so that a piece in the wrong place shows. */
function patterned(length: number): Buffer {
  const block = Buffer.from(Array.from({ length: 65_521 }, (_, index) => (index * 31) % 251));
  return Buffer.alloc(length, block);
}

const keys = Array.from({ length: 500 }, (_, index) => `key:${index}`);
const values = keys.map((_, index) => `value ${index}`);
const pairs = keys.flatMap((key, index) => [key, values[index] ?? ""]);

describe("redis-cli", () => {
  const cli = (...args: readonly string[]): Promise<Output> =>
    run(["redis-cli", "-h", HOST, "-p", `${port}`, ...args]);

  test("reads and writes", async () => {
    expect((await cli("SET", "a", "1")).stdout).toBe("OK\n");
    expect((await cli("GET", "a")).stdout).toBe("1\n");
    expect((await cli("MSET", ...pairs)).stdout).toBe("OK\n");
    expect((await cli("MGET", ...keys)).stdout).toBe(`${values.join("\n")}\n`);
    expect(Math.min(...(await keyCounts()))).toBeGreaterThan(0);
    expect((await cli("DEL", ...keys)).stdout).toBe("500\n");
    expect((await cli("PING")).stdout).toBe("PONG\n");
    expect((await cli("NOSUCHCOMMAND")).stdout).toStartWith("ERR unknown command");
  });

  test("a session of many lines over one connection", async () => {
    const lines = ["SET a 1", "INCR a", "NOSUCHCOMMAND", "INCRBY a 10", "GET a"];
    const { stdout } = await run(["redis-cli", "-h", HOST, "-p", `${port}`], lines.join("\n"));
    const replies = stdout.split("\n").filter((line) => line !== "");
    expect(replies.filter((line) => !line.startsWith("ERR"))).toEqual(["OK", "2", "12", "12"]);
    expect(replies[2]).toStartWith("ERR unknown command");
  });

  test("RESP3 is asked for and declined in words that it understands", async () => {
    const { stdout } = await cli("-3", "SET", "a", "1");
    expect(stdout).toContain("OK");
  });

  test("mass insertion with --pipe", async () => {
    const input = keys.map((key, index) => `SET ${key} ${index}\r\n`).join("");
    const { exitCode, stdout } = await run(
      ["redis-cli", "-h", HOST, "-p", `${port}`, "--pipe"],
      input,
    );
    expect(stdout).toContain("errors: 0, replies: 500");
    expect(exitCode).toBe(0);
    expect((await keyCounts()).reduce((sum, count) => sum + count)).toBe(500);
  });
});

describe("redis-benchmark", () => {
  const tests = "ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,zadd,lrange_100,mset";

  test.each([1, 16])("runs to the end at pipeline depth %d", async (depth) => {
    const options = ["-h", HOST, "-p", `${port}`, "-c", "20", "-n", "4000", "-r", "1000", "-q"];
    const { exitCode, stdout, stderr } = await run(
      ["redis-benchmark", ...options, "-P", `${depth}`, "-t", tests],
      "",
    );
    expect(stderr).not.toContain("Error");
    expect(stdout).not.toContain("Error from server");
    const lines = stdout.split(/[\r\n]+/).filter((line) => line.includes("requests per second"));
    expect(lines.length).toBe(tests.split(",").length + 1); // LRANGE has a line for its preparation
    expect(exitCode).toBe(0);
  });
});

describe("ioredis", () => {
  let client: IoRedis;

  afterEach(() => client.disconnect());

  test("reads and writes", async () => {
    client = new IoRedis(port, HOST);
    expect(await client.mset(...pairs)).toBe("OK");
    expect(await client.mget(keys)).toEqual(values);
    expect(await client.mget("key:7", "none", "key:1", "key:7")).toEqual([
      "value 7",
      null,
      "value 1",
      "value 7",
    ]);
    expect(await client.exists(...keys)).toBe(500);
    expect(await client.del(...keys)).toBe(500);
    expect(await client.hset("hash", { a: "1", b: "2" })).toBe(2);
    expect(await client.hgetall("hash")).toEqual({ a: "1", b: "2" });
    await expect(client.incr("hash")).rejects.toThrow("WRONGTYPE");
    await expect(client.call("NOSUCHCOMMAND", "x")).rejects.toThrow("unknown command");
    expect(await client.get("none")).toBeNull();
  });

  test("binary keys and values, up to 64 MiB", async () => {
    client = new IoRedis(port, HOST);
    const key = Buffer.from([0xff, 0, 13, 10, 0x80]);
    for (const size of [0, 1, 1024, MIB, 64 * MIB]) {
      const value = patterned(size);
      expect(await client.set(key, value)).toBe("OK");
      const got = await client.getBuffer(key);
      expect(got?.equals(value)).toBe(true);
    }
  });

  test("pipelines, and many commands at once", async () => {
    client = new IoRedis(port, HOST);
    const pipeline = client.pipeline();
    for (let round = 0; round < 1000; round++) {
      pipeline.set(`p:${round % 50}`, round).get(`p:${round % 50}`);
    }
    const replies = (await pipeline.exec()) ?? [];
    expect(replies.length).toBe(2000);
    for (const [at, [error, reply]] of replies.entries()) {
      expect(error).toBeNull();
      expect(reply).toBe(at % 2 === 0 ? "OK" : `${(at - 1) / 2}`);
    }
    const counts = await Promise.all(keys.map(() => client.incr("counter")));
    expect(counts).toEqual(keys.map((_, index) => index + 1));
  });
});

describe("node-redis", () => {
  const url = (): string => `redis://${HOST}:${port}`;
  const opened: { destroy(): void }[] = [];
  const connect = async () => {
    const client = await createClient({ url: url() }).connect();
    opened.push(client);
    return client;
  };

  afterEach(() => {
    for (const client of opened.splice(0)) client.destroy();
  });

  test("speaks RESP2 when it is told to", async () => {
    const client = await createClient({ url: url(), RESP: 2 }).connect();
    opened.push(client);
    expect(await client.set("resp2", "yes")).toBe("OK");
    expect({ ...(await client.hGetAll("no such hash")) }).toEqual({});
  });

  test("reads and writes", async () => {
    const client = await connect();
    expect(await client.mSet(pairs)).toBe("OK");
    expect(await client.mGet(keys)).toEqual(values);
    expect(await client.exists(keys)).toBe(500);
    expect(await client.del(keys)).toBe(500);
    expect(await client.hSet("hash", { a: "1", b: "2" })).toBe(2);
    expect({ ...(await client.hGetAll("hash")) }).toEqual({ a: "1", b: "2" });
    await expect(client.incr("hash")).rejects.toThrow("WRONGTYPE");
    await expect(client.sendCommand(["NOSUCHCOMMAND"])).rejects.toThrow("unknown command");
    expect(await client.get("none")).toBeNull();
  });

  test("values up to 64 MiB", async () => {
    const client = await connect();
    for (const size of [0, MIB, 64 * MIB]) {
      const value = patterned(size).map((byte) => byte % 128);
      const text = Buffer.from(value).toString("latin1");
      expect(await client.set("large", text)).toBe("OK");
      expect((await client.get("large")) === text).toBe(true);
    }
  });

  test("pipelines, and many commands at once", async () => {
    const client = await connect();
    const pipeline = client.multi();
    for (let round = 0; round < 200; round++) {
      pipeline.set(`p:${round % 50}`, `${round}`).get(`p:${round % 50}`);
    }
    const replies = await pipeline.execAsPipeline();
    expect(replies.map(String)).toEqual(
      Array.from({ length: 400 }, (_, at) => (at % 2 === 0 ? "OK" : `${(at - 1) / 2}`)),
    );
    const counts = await Promise.all(keys.map(() => client.incr("counter")));
    expect(counts).toEqual(keys.map((_, index) => index + 1));
  });
});

describe("redis-py", () => {
  test("reads, writes and pipelines", async () => {
    const script = join(import.meta.dir, "../clients/redis_py_check.py");
    const { exitCode, stdout, stderr } = await run([PYTHON, script, HOST, `${port}`]);
    expect(stderr).toBe("");
    expect(stdout).toBe("ok\n");
    expect(exitCode).toBe(0);
  });
});
