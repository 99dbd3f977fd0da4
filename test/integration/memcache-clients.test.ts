/** Real Memcached clients with their default options, through the proxy over four servers. memjs: memjs.test.ts. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import Memcached from "memcached";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { memcachePool, type ProxyProcess, startProxy } from "../support/proxy-process.ts";

const HOST = "127.0.0.1";
/** The Python that Debian's python3-pymemcache and python3-pylibmc belong to; another one may come first in the path. */
const PYTHON = "/usr/bin/python3";
const WAIT_MS = 30_000;

let servers: MemcachedServer[] = [];
let proxy: ProxyProcess | null = null;
let port = 0;

beforeAll(async () => {
  // Room for a few values of a megabyte on whichever server they fall.
  servers = await Promise.all(
    Array.from({ length: 4 }, () => startMemcached({ args: ["-m", "64"] })),
  );
  port = freePort();
  proxy = await startProxy({ config: memcachePool({ listen: `${HOST}:${port}`, servers }) });
});

afterAll(async () => {
  await proxy?.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

/** Bytes that are not all the same, so that a piece in the wrong place shows. */
function patterned(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31) % 251));
}

/** A call of the client that takes a callback, as a promise. */
function ask<Value>(call: (done: (error: unknown, value: Value) => void) => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === undefined || error === null) resolve(value);
      else reject(error instanceof Error ? error : new Error(String(error)));
    });
  });
}

describe("memcached of npm", () => {
  let client: Memcached;

  beforeAll(() => {
    // On a busy machine a reply may take longer than its default allows.
    client = new Memcached(`${HOST}:${port}`, { timeout: WAIT_MS, retries: 0 });
  });

  afterAll(() => client.end());
  afterEach(() => ask((done) => client.flush(done)));

  const read = (key: string): Promise<unknown> => ask((done) => client.get(key, done));
  const write = (key: string, value: unknown, seconds = 0): Promise<boolean> =>
    ask((done) => client.set(key, value, seconds, done));

  test("stores and reads", async () => {
    expect(await read("a")).toBeUndefined();
    expect(await write("a", "1")).toBe(true);
    expect(await read("a")).toBe("1");
    await expect(ask((done) => client.add("a", "2", 0, done))).rejects.toThrow("not stored");
    expect(await ask((done) => client.add("b", "2", 0, done))).toBe(true);
    expect(await ask((done) => client.replace("b", "3", 0, done))).toBe(true);
    await expect(ask((done) => client.replace("c", "3", 0, done))).rejects.toThrow("not stored");
    expect(await ask((done) => client.append("b", "4", done))).toBe(true);
    expect(await ask((done) => client.prepend("b", "2", done))).toBe(true);
    expect(await read("b")).toBe("234");
    expect(await ask((done) => client.del("b", done))).toBe(true);
    expect(await ask((done) => client.del("b", done))).toBe(false);
    expect(await read("b")).toBeUndefined();
  });

  test("counts", async () => {
    expect(await write("n", 5)).toBe(true);
    expect(await ask((done) => client.incr("n", 10, done))).toBe(15);
    expect(await ask((done) => client.decr("n", 6, done))).toBe(9);
    expect(await ask((done) => client.decr("n", 60, done))).toBe(0);
    expect(await ask((done) => client.incr("none", 1, done))).toBe(false);
  });

  test("compares and swaps", async () => {
    await write("c", "old");
    const found = await ask<Record<string, string>>((done) =>
      client.gets("c", done as (error: unknown, data: unknown) => void),
    );
    expect(found["c"]).toBe("old");
    expect(await ask((done) => client.cas("c", "new", found["cas"] ?? "", 0, done))).toBe(true);
    expect(await ask((done) => client.cas("c", "newer", found["cas"] ?? "", 0, done))).toBe(false);
    expect(await read("c")).toBe("new");
  });

  test("500 keys at once", async () => {
    const keys = Array.from({ length: 500 }, (_, index) => `key:${index}`);
    await Promise.all(keys.map((key, index) => write(key, `value ${index}`)));
    const found = await ask<Record<string, unknown>>((done) => client.getMulti(keys, done));
    expect(found).toEqual(Object.fromEntries(keys.map((key, index) => [key, `value ${index}`])));
    const some = ["key:7", "none", "key:1"];
    expect(await ask((done) => client.getMulti(some, done))).toEqual({
      "key:7": "value 7",
      "key:1": "value 1",
    });
  });

  test("objects, binary data, a megabyte", async () => {
    await write("object", { list: [1, "two"] });
    expect(await read("object")).toEqual({ list: [1, "two"] });
    // It sends a byte above 127 as two.
    for (const size of [0, 1, 1024, 690_000]) {
      const value = patterned(size);
      expect(await write("binary", value)).toBe(true);
      const got = await read("binary");
      expect(value.equals(got as Buffer)).toBe(true);
    }
    const text = patterned(1_048_000)
      .toString("latin1")
      .replaceAll(/[^a-z]/g, "x");
    expect(await write("text", text)).toBe(true);
    expect((await read("text")) === text).toBe(true);
  });

  test("expires and touches", async () => {
    await write("short", "1", 1);
    await write("kept", "1", 1);
    await ask((done) => client.touch("kept", 1000, (error) => done(error, true)));
    const deadline = performance.now() + WAIT_MS;
    while ((await read("short")) !== undefined) {
      if (performance.now() > deadline) throw new Error("it does not expire");
      await Bun.sleep(20);
    }
    expect(await read("kept")).toBe("1");
  });

  test("asks the server about itself", async () => {
    const [version] = await ask<Memcached.VersionData[]>((done) => client.version(done));
    expect(version?.["version"]).toMatch(/^\d+\.\d+/);
    await write("a", "1");
    const [stats] = await ask<Memcached.StatusData[]>((done) => client.stats(done));
    expect(Number(stats?.["curr_items"])).toBeGreaterThan(0);
  });
});

describe("Python", () => {
  test.each([
    ["pymemcache", []],
    ["pylibmc", ["text"]],
    ["pylibmc", ["binary"]],
  ])(
    "%s %j",
    async (library, args) => {
      const script = join(import.meta.dir, `../clients/${library}_check.py`);
      const child = Bun.spawn([PYTHON, script, HOST, `${port}`, ...args], {
        stdout: "pipe",
        stderr: "pipe",
      });
      const [stdout, stderr, exitCode] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect(stderr).toBe("");
      expect(stdout).toBe("ok\n");
      expect(exitCode).toBe(0);
    },
    30_000,
  );
});
