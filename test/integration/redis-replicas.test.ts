/** Reads go to replicas as the pool says, and to none that is behind: counted on real servers. */
import { afterEach, describe, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { type SentinelGroup, startSentinels } from "../support/redis-sentinel.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";

let proxy: ProxyProcess | null = null;
let port = 0;
let clients: RespClient[] = [];
let stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy?.stop();
  proxy = null;
  for (const stop of stops) await stop();
  stops = [];
});

async function connect(to: number = port): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port: to });
  clients.push(client);
  return client;
}

async function start(...lines: readonly string[]): Promise<void> {
  port = freePort();
  const pool = [`listen: 127.0.0.1:${port}`, ...lines].map((line) => `    ${line}`);
  proxy = await startProxy({
    config: ["pools:", "  main:", ...pool, ""].join("\n"),
    args: ["--workers", "2"],
  });
}

/** A primary with two replicas that are in step. */
async function startThree(): Promise<RedisServer[]> {
  const primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  const follow = { args: ["--replicaof", primary.host, `${primary.port}`] };
  const servers = [primary, await startRedis(follow), await startRedis(follow)];
  stops.push(async () => {
    for (const server of servers) await server.stop();
  });
  const client = await connect(primary.port);
  await client.ask("SET", "k", "v");
  expect(await client.ask("WAIT", "2", "20000")).toBe(":2\r\n");
  return servers;
}

function listed(servers: readonly RedisServer[]): string {
  const [primary, ...replicas] = servers.map(({ host, port: at }) => `${host}:${at}`);
  return `servers: [{ address: "${primary}", name: one, replicas: [${replicas.map((at) => `"${at}"`).join(", ")}] }]`;
}

/** How often each server has executed `command`. */
async function calls(servers: readonly RedisServer[], command: string): Promise<number[]> {
  const counts: number[] = [];
  for (const server of servers) {
    const client = await connect(server.port);
    const text = await client.ask("INFO", "commandstats");
    counts.push(Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(text)?.[1] ?? 0));
  }
  return counts;
}

/** Reads `k` over new connections until a read has been on some replica. */
async function untilRead(replicas: readonly RedisServer[]): Promise<void> {
  const before = await calls(replicas, "get");
  for (;;) {
    const reader = await connect();
    expect(await reader.ask("GET", "k")).toBe("$1\r\nv\r\n");
    const after = await calls(replicas, "get");
    if (after.some((count, i) => count > before[i]!)) return;
    await Bun.sleep(20);
  }
}

/** Differences since `before`. */
async function since(
  servers: readonly RedisServer[],
  command: string,
  before: readonly number[],
): Promise<number[]> {
  return (await calls(servers, command)).map((count, i) => count - before[i]!);
}

describe("replicas that the file lists", () => {
  test("get the reads, and the primary all else", async () => {
    const servers = await startThree();
    await start(listed(servers), "read_from: prefer_replica");
    const readers = await Promise.all(Array.from({ length: 64 }, () => connect()));
    const before = await calls(servers, "get");
    for (const reader of readers) {
      for (let i = 0; i < 2; i++) expect(await reader.ask("GET", "k")).toBe("$1\r\nv\r\n");
    }
    const [first, ...others] = await since(servers, "get", before);
    expect(first).toBe(0);
    expect(others[0]! + others[1]!).toBe(128);
    expect(Math.min(...others)).toBeGreaterThan(0);
    const writer = await connect();
    const atFirst = await calls(servers, "get");
    for (let i = 0; i < 5; i++) expect(await writer.ask("SET", "w", `${i}`)).toBe("+OK\r\n");
    writer.command(["MULTI"], ["GET", "w"], ["SET", "w", "x"], ["GET", "w"], ["EXEC"]);
    expect(`${(await writer.replies(5))[4]}`).toBe("*3\r\n$1\r\n4\r\n+OK\r\n$1\r\nx\r\n");
    writer.command(["WATCH", "w"], ["GET", "w"], ["UNWATCH"]);
    expect(`${(await writer.replies(3))[1]}`).toBe("$1\r\nx\r\n");
    expect(await writer.ask("EVAL", "return redis.call('GET', KEYS[1])", "1", "w")).toBe(
      "$1\r\nx\r\n",
    );
    expect(await since(servers, "get", atFirst)).toEqual([4, 0, 0]);
  });

  test("with any, get their share, and with read_own_writes nothing of one that wrote", async () => {
    const servers = await startThree();
    await start(listed(servers), "read_from: any", "read_own_writes: 1h");
    const readers = await Promise.all(Array.from({ length: 64 }, () => connect()));
    const before = await calls(servers, "get");
    for (const reader of readers) await reader.ask("GET", "k");
    const counts = await since(servers, "get", before);
    expect(counts.reduce((sum, count) => sum + count)).toBe(64);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    const atFirst = await calls(servers, "get");
    for (const reader of readers) {
      await reader.ask("SET", "own", "1");
      expect(await reader.ask("GET", "own")).toBe("$1\r\n1\r\n");
    }
    expect(await since(servers, "get", atFirst)).toEqual([64, 0, 0]);
  });

  test("are not read when they are behind, cut off or gone", async () => {
    const servers = await startThree();
    await start(listed(servers), "read_from: prefer_replica", "max_lag: 500ms");
    await untilRead(servers.slice(1));
    const [, cutOff, gone] = servers;
    const direct = await connect(cutOff!.port);
    // Its link to the primary goes down, and the data in it grow old.
    expect(await direct.ask("REPLICAOF", "127.0.0.1", "1")).toStartWith("+OK");
    process.kill(gone!.pid, "SIGKILL");
    const reader = await connect();
    const writer = await connect();
    for (let round = 0; ; round++) {
      await writer.ask("SET", "round", `${round}`);
      const atFirst = await calls([cutOff!], "get");
      await Bun.sleep(20);
      for (let i = 0; i < 8; i++) {
        expect(await reader.ask("GET", "round")).toStartWith("$");
      }
      if ((await since([cutOff!], "get", atFirst))[0] === 0) break;
    }
    const many = await Promise.all(Array.from({ length: 8 }, () => connect()));
    const before = await calls(servers.slice(0, 2), "get");
    for (const each of many) expect(await each.ask("GET", "k")).toBe("$1\r\nv\r\n");
    expect(await since(servers.slice(0, 2), "get", before)).toEqual([8, 0]);
  }, 60_000);

  test("are all that is read with replica, which is an error when there is none", async () => {
    const [primary, one, two] = await startThree();
    await start(listed([primary!, one!, two!]), "read_from: replica");
    const client = await connect();
    // Also the first one.
    expect(await client.ask("GET", "k")).toBe("$1\r\nv\r\n");
    expect((await calls([primary!], "get"))[0]).toBe(0);
    process.kill(one!.pid, "SIGKILL");
    process.kill(two!.pid, "SIGKILL");
    let reply = "";
    while (!reply.includes("no replica of one may be read now")) {
      reply = await (await connect()).ask("GET", "k");
      await Bun.sleep(20);
    }
    expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
  }, 60_000);
});

describe("a reload, an upgrade and the death of a worker", () => {
  for (const readFrom of ["replica", "prefer_replica"] as const) {
    test(`cost no read with ${readFrom}, and no client goes to another server`, async () => {
      const servers = await startThree();
      await start(listed(servers), `read_from: ${readFrom}`);
      const direct = await Promise.all(servers.map(({ port: at }) => connect(at)));
      for (const [i, each] of direct.slice(1).entries()) {
        // Now each of them says which it is.
        await each.ask("CONFIG", "SET", "replica-read-only", "no");
        expect(await each.ask("SET", "who", `${i}`)).toBe("+OK\r\n");
      }
      const readers = await Promise.all(Array.from({ length: 12 }, () => connect()));
      const seen = readers.map(() => new Set<string>());
      let isOver = false;
      const reading = readers.map(async (reader, i) => {
        while (!isOver) {
          seen[i]!.add(await reader.ask("GET", "who"));
          await Bun.sleep(1);
        }
      });
      for (let i = 0; i < 2; i++) {
        await mustRun(proxy!, "reload");
        await mustRun(proxy!, "upgrade");
      }
      isOver = true;
      await Promise.all(reading);
      const all = new Set(seen.flatMap((some) => [...some]));
      expect([...all].sort()).toEqual(["$1\r\n0\r\n", "$1\r\n1\r\n"]);
      expect(seen.map(({ size }) => size)).toEqual(readers.map(() => 1));
      for (const pid of proxy!.workerPids()) process.kill(pid, "SIGKILL");
      await Promise.all(readers.map((reader) => reader.untilClosed()));
      for (let i = 0; i < 20; i++) {
        const reader = await connect();
        expect(await reader.ask("GET", "who")).toMatch(/^\$1\r\n[01]/);
      }
      expect((await calls(servers.slice(0, 1), "get"))[0]).toBe(0);
    }, 120_000);
  }
});

test("replicas that sentinels know are read, also after a failover, and a lost one costs no read", async () => {
  const group: SentinelGroup = await startSentinels({ masters: ["m"], replicas: 2 });
  stops.push(() => group.stop());
  const sentinels = group.sentinels.map(({ address }) => address).join(", ");
  await start(`sentinels: [${sentinels}]`, "masters: [m]", "read_from: prefer_replica");
  const client = await connect();
  expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
  expect(await client.ask("WAIT", "2", "20000")).toBe(":2\r\n");
  const before = await group.master("m");
  const others = group.servers.filter(({ port: at }) => at !== before.port);
  await untilRead(others);
  process.kill(before.pid, "SIGKILL");
  const errors: string[] = [];
  let isOver = false;
  const reading = (async () => {
    while (!isOver) {
      const reply = await client.ask("GET", "k");
      if (reply !== "$1\r\nv\r\n") errors.push(reply);
    }
  })();
  await group.moved("m", before.port);
  const after = await group.master("m");
  await untilRead(others.filter(({ port: at }) => at !== after.port));
  // The last replica goes, too: what it was asked the new primary answers.
  for (const server of others) if (server.port !== after.port) process.kill(server.pid, "SIGKILL");
  expect(await (await connect()).ask("SET", "k2", "v")).toBe("+OK\r\n");
  await untilRead([after]);
  isOver = true;
  await reading;
  expect(errors).toEqual([]);
}, 120_000);

test("replicas of a cluster are read", async () => {
  const cluster = await startCluster(3, 1);
  stops.push(() => cluster.stop());
  const seeds = cluster.nodes.map((node) => `${node.host}:${node.port}`).slice(0, 2);
  await start(`redis_cluster: [${seeds.join(", ")}]`, "read_from: prefer_replica");
  const client = await connect();
  expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
  const [primaries, replicas] = [cluster.nodes.slice(0, 3), cluster.nodes.slice(3)];
  await untilRead(replicas);
  const keys = Array.from({ length: 30 }, (_, i) => `${i * 977}:key`);
  for (const key of keys) expect(await client.ask("SET", key, key)).toBe("+OK\r\n");
  const before = await calls(primaries, "get");
  const reader = await connect();
  for (const key of keys) {
    while ((await reader.ask("GET", key)) !== `$${key.length}\r\n${key}\r\n`) await Bun.sleep(5);
  }
  expect((await reader.ask("MGET", ...keys)).startsWith(`*${keys.length}\r\n$`)).toBe(true);
  expect(await since(primaries, "get", before)).toEqual([0, 0, 0]);
}, 120_000);
