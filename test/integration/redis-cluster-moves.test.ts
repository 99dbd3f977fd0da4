/** Slots of a real Redis Cluster that have moved without the proxy knowing: scripts, what is watched, and a cluster as the leaf of a route. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

let cluster: RedisCluster;
let apart: RedisServer;
let proxy: ProxyProcess;
let port = 0;
let routed = 0;
let clients: RespClient[] = [];

beforeAll(async () => {
  cluster = await startCluster(3, 0);
  apart = await startRedis();
  [port, routed] = [freePort(), freePort()];
  const seeds = cluster.nodes.map((node) => `${node.host}:${node.port}`);
  const config = [
    "pools:",
    `  main: { listen: "127.0.0.1:${port}", redis_cluster: [${seeds.join(", ")}] }`,
    `  apart: { listen: "127.0.0.1:${freePort()}", servers: ["127.0.0.1:${apart.port}:1 apart"] }`,
    "  app:",
    `    listen: 127.0.0.1:${routed}`,
    '    route: { prefixes: { "apart:": apart }, default: { main: main, failover: apart } }',
    "",
  ];
  proxy = await startProxy({ config: config.join("\n"), args: ["--workers", "1"] });
}, 120_000);

afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
});

afterAll(async () => {
  await proxy.stop();
  await Promise.all([cluster.stop(), apart.stop()]);
});

async function connect(to: number): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port: to });
  clients.push(client);
  return client;
}

interface Move {
  readonly slot: string;
  readonly from: RespClient;
  readonly to: RespClient;
  readonly toId: string;
  readonly toPort: number;
}

/** The slot of `key` begins to move to another node; what is under it stays. */
async function beginMove(key: string): Promise<Move> {
  const nodes = await Promise.all(cluster.nodes.map((node) => connect(node.port)));
  const slot = (await nodes[0]!.ask("CLUSTER", "KEYSLOT", key)).trim().substring(1);
  const counts = await Promise.all(
    nodes.map(async (node) => {
      const answer = await node.ask("EXISTS", key);
      return answer.startsWith("-MOVED") ? 0 : 1;
    }),
  );
  const from = nodes[counts.indexOf(1)]!;
  const target = (counts.indexOf(1) + 1) % nodes.length;
  const [to, toPort] = [nodes[target]!, cluster.nodes[target]!.port];
  const idOf = async (node: RespClient): Promise<string> =>
    (await node.ask("CLUSTER", "MYID")).split("\r\n")[1]!;
  const toId = await idOf(to);
  expect(await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", await idOf(from))).toBe("+OK\r\n");
  expect(await from.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", toId)).toBe("+OK\r\n");
  return { slot, from, to, toId, toPort };
}

/** The nodes that had it and that have it now know it. */
async function endMove(move: Move, ...keys: string[]): Promise<void> {
  const { slot, from, to, toId, toPort } = move;
  for (const key of keys) {
    await from.ask("MIGRATE", "127.0.0.1", `${toPort}`, key, "0", "5000", "REPLACE");
  }
  for (const each of [to, from]) {
    expect(await each.ask("CLUSTER", "SETSLOT", slot, "NODE", toId)).toBe("+OK\r\n");
  }
}

test("a script that is called by its SHA, and a function, go along when their call is redirected", async () => {
  const client = await connect(port);
  const script = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
  const sha = new Bun.CryptoHasher("sha1").update(script).digest("hex");
  const library =
    "#!lua name=lib\nredis.register_function('plus', function(k, a) return redis.call('INCRBY', k[1], a[1]) end)";
  expect(await client.ask("EVAL", script, "1", "{s}n", "1")).toBe(":1\r\n");
  expect(await client.ask("EVALSHA", sha, "1", "{s}n", "1")).toBe(":2\r\n");
  const move = await beginMove("{s}n");
  // -ASK: the key is not where the slot still is. The other node has never seen the script.
  expect(await client.ask("EVALSHA", sha, "1", "{s}new", "5")).toBe(":5\r\n");
  await endMove(move, "{s}n");
  // -MOVED, while calls that follow are under way already.
  await move.to.ask("SCRIPT", "FLUSH");
  client.command(
    ["EVALSHA", sha, "1", "{s}n", "1"],
    ["EVALSHA", sha, "1", "{s}n", "1"],
    ["GET", "{s}n"],
  );
  const replies = (await client.replies(3)).map(String);
  expect(replies[2]).toBe(
    `$1\r\n${replies.filter((reply) => reply.startsWith(":")).length + 2}\r\n`,
  );
  expect(await client.ask("FUNCTION", "LOAD", "REPLACE", library)).toContain("lib");
  expect(await client.ask("FCALL", "plus", "1", "{f}n", "3")).toBe(":3\r\n");
  const other = await beginMove("{f}n");
  expect(await client.ask("FCALL", "plus", "1", "{f}new", "4")).toBe(":4\r\n");
  await endMove(other, "{f}n");
  expect(await client.ask("FCALL", "plus", "1", "{f}n", "3")).toBe(":6\r\n");
});

test("a watched key whose slot has moved counts as changed: its client begins anew, and succeeds", async () => {
  const client = await connect(port);
  const transact = async (): Promise<string> => {
    const replies: string[] = [];
    for (const command of [["WATCH", "{w}k"], ["MULTI"], ["INCR", "{w}k"], ["EXEC"]] as const) {
      replies.push(await client.ask(...(command as readonly [string, ...string[]])));
    }
    expect(replies.slice(0, 3)).toEqual(["+OK\r\n", "+OK\r\n", "+QUEUED\r\n"]);
    return replies[3]!;
  };
  expect(await transact()).toBe("*1\r\n:1\r\n");
  await endMove(await beginMove("{w}k"), "{w}k");
  // Before WATCH.
  expect(await transact()).toBe("*-1\r\n");
  expect(await transact()).toBe("*1\r\n:2\r\n");
  // After it, and all of the rest in one piece.
  expect(await client.ask("WATCH", "{w}k")).toBe("+OK\r\n");
  await endMove(await beginMove("{w}k"), "{w}k");
  client.command(["MULTI"], ["INCR", "{w}k"], ["INCR", "{w}k"], ["EXEC"], ["PING"]);
  expect((await client.replies(5)).map(String)).toEqual([
    ...["+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*-1\r\n", "+PONG\r\n"],
  ]);
  expect(await transact()).toBe("*1\r\n:3\r\n");
});

test("a cluster is the leaf of a route: redirections are followed there, and commands are split over its nodes and other pools", async () => {
  const client = await connect(routed);
  const keys = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? `apart:${i}` : `r:${i}`));
  expect(await client.ask("MSET", ...keys.flatMap((key) => [key, key]))).toBe("+OK\r\n");
  const move = await beginMove("r:1");
  await endMove(move, "r:1");
  const all = keys.map((key) => `$${key.length}\r\n${key}\r\n`).join("");
  expect(await client.ask("MGET", ...keys)).toBe(`*30\r\n${all}`);
  expect(await (await connect(apart.port)).ask("DBSIZE")).toBe(":10\r\n");
  expect(await client.ask("DEL", ...keys)).toBe(":30\r\n");
  expect(await client.ask("SCAN", "0")).toStartWith("*2\r\n");
});
