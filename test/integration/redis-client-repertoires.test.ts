/** The client libraries' whole repertoire, straight to Redis and through the proxy over one and four servers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Redis as IoRedis } from "ioredis";
import { Redis as IoValkey } from "iovalkey";
import { createClient } from "redis";
import { type IoRedisClass, ioRedisParts } from "../clients/ioredis-repertoire.ts";
import { nodeRedisParts } from "../clients/node-redis-repertoire.ts";
import type { Part } from "../clients/repertoire.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

const HOST = "127.0.0.1";
/** The Python that Debian's python3-redis belongs to; another one may come first in the path. */
const PYTHON = "/usr/bin/python3";
const PYTHON_SCRIPT = join(import.meta.dir, "../clients/redis_py_repertoire.py");
const PYTHON_PARTS =
  "transactions scripts functions blocking subscriptions scans streams databases sessions".split(
    " ",
  );
const DEADLINE_MS = 30_000;
const POLL_MS = 2;

let servers: RedisServer[] = [];
let proxy: ProxyProcess | null = null;
const ports = { one: freePort(), four: freePort() };

beforeAll(async () => {
  servers = await Promise.all(Array.from({ length: 6 }, () => startRedis()));
  const pool = (name: "one" | "four", behind: readonly RedisServer[]): string =>
    redisPool({
      listen: `${HOST}:${ports[name]}`,
      servers: behind,
      lines: [`hash_tag: "{}"`],
    }).replace("pool:", `${name}:`);
  const config = pool("one", servers.slice(1, 2)) + pool("four", servers.slice(2));
  proxy = await startProxy({ config, args: ["--workers", "2"] });
});

afterAll(async () => {
  await proxy?.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

/** Resolves when so many clients are blocked on all servers. */
async function blocked(count: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const counts = servers.map(async (server) => {
      const [text] = await exchange(server, [["INFO", "clients"]]);
      return Number(/blocked_clients:(\d+)/.exec(`${text}`)?.[1] ?? 0);
    });
    const sum = (await Promise.all(counts)).reduce((total, each) => total + each, 0);
    if (sum === count) return;
    if (performance.now() > deadline) throw new Error(`${sum} clients are blocked, not ${count}`);
    await Bun.sleep(POLL_MS);
  }
}

async function play(part: Part, port: number): Promise<void> {
  await Promise.all(servers.map((server) => exchange(server, [["FLUSHALL"]])));
  await part({ host: HOST, port, blocked });
}

/** A part of the repertoire in Python; it is told the servers' ports to see who is blocked there. */
function pythonPart(name: string): Part {
  return async ({ host, port }) => {
    const behind = servers.map((server) => `${server.port}`);
    const child = Bun.spawn([PYTHON, PYTHON_SCRIPT, name, host, `${port}`, ...behind], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect(output).toEqual(["ok\n", ""]);
  };
}

const REPERTOIRES = {
  ioredis: ioRedisParts(IoRedis),
  "node-redis": nodeRedisParts(3),
  "node-redis, RESP2": nodeRedisParts(2),
  "redis-py": Object.fromEntries(PYTHON_PARTS.map((name) => [name, pythonPart(name)])),
  iovalkey: ioRedisParts(IoValkey as unknown as IoRedisClass),
};

describe.each(Object.entries(REPERTOIRES))("%s", (_, parts) => {
  test.each(Object.entries(parts))(
    "%s",
    async (_, part) => {
      await play(part, servers[0]?.port ?? 0);
      await play(part, ports.one);
      await play(part, ports.four);
    },
    120_000,
  );
});

describe("passwords", () => {
  let guarded: RedisServer[] = [];
  let guardedProxy: ProxyProcess | null = null;
  const port = freePort();

  beforeAll(async () => {
    const args = ["--requirepass", "secret"];
    guarded = await Promise.all(Array.from({ length: 4 }, () => startRedis({ args })));
    const config = redisPool({ listen: `${HOST}:${port}`, servers: guarded });
    guardedProxy = await startProxy({ config, args: ["--workers", "2"] });
    const user = ["ACL", "SETUSER", "reader", "on", ">read", "~*", "+@read", "+@connection"];
    for (const server of guarded) await exchange(server, [["AUTH", "secret"], user]);
  });

  afterAll(async () => {
    await guardedProxy?.stop();
    await Promise.all(guarded.map((server) => server.stop()));
  });

  /** Right and wrong passwords, and a user who may only read, straight and through the proxy. */
  test.each(["straight", "through the proxy"])("ioredis, %s", async (where) => {
    const target = where === "straight" ? (guarded[0]?.port ?? 0) : port;
    const client = new IoRedis(target, HOST, { password: "secret" });
    const reader = new IoRedis(target, HOST, { username: "reader", password: "read" });
    const stranger = new IoRedis(target, HOST);
    try {
      expect(await client.set("k", "v")).toBe("OK");
      expect(await reader.get("k")).toBe("v");
      await expect(reader.set("k", "w")).rejects.toThrow("NOPERM");
      await expect(stranger.get("k")).rejects.toThrow("NOAUTH");
      expect(await client.multi().set("k", "x").get("k").exec()).toEqual([
        [null, "OK"],
        [null, "x"],
      ]);
    } finally {
      for (const each of [client, reader, stranger]) each.disconnect();
    }
  });

  test.each(["straight", "through the proxy"])("node-redis, %s", async (where) => {
    const target = where === "straight" ? (guarded[0]?.port ?? 0) : port;
    const connect = (credentials: string) =>
      createClient({
        url: `redis://${credentials}@${HOST}:${target}`,
        socket: { reconnectStrategy: false },
      }).on("error", () => {});
    const client = await connect(":secret").connect();
    const reader = await connect("reader:read").connect();
    try {
      expect(await client.set("k", "v")).toBe("OK");
      expect(await reader.get("k")).toBe("v");
      await expect(reader.set("k", "w")).rejects.toThrow("NOPERM");
      await expect(connect(":wrong").connect()).rejects.toThrow("WRONGPASS");
    } finally {
      client.destroy();
      reader.destroy();
    }
  });
});
