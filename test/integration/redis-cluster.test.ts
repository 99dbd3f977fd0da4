/** A pool whose servers are a real Redis Cluster: slots that move, primaries that fail, reload and upgrade meanwhile. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Cluster } from "ioredis";
import { createCluster } from "redis";
import { crc16Slot } from "../../src/hash/crc.ts";
import { ClusterLoad } from "../support/cluster-load.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { RespClient } from "../support/resp-client.ts";
import { runCommand } from "../support/run-command.ts";

let cluster: RedisCluster;
let proxy: ProxyProcess | null = null;
let port = 0;
let clients: RespClient[] = [];

beforeAll(async () => {
  cluster = await startCluster(3, 1);
}, 120_000);

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy?.stop();
  proxy = null;
});

afterAll(() => cluster.stop());

async function start(lines: readonly string[] = [], workers = 2): Promise<ProxyProcess> {
  port = freePort();
  const seeds = cluster.nodes.map((node) => `${node.host}:${node.port}`).slice(0, 2);
  const config = [
    "pools:",
    "  main:",
    `    listen: 127.0.0.1:${port}`,
    `    redis_cluster: [${seeds.join(", ")}]`,
    ...lines.map((line) => `    ${line}`),
    "",
  ].join("\n");
  proxy = await startProxy({ config, args: ["--workers", `${workers}`] });
  return proxy;
}

async function connect(to: number = port): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port: to });
  clients.push(client);
  return client;
}

interface Primary {
  readonly id: string;
  readonly port: number;
  readonly hasReplica: boolean;
}

/** The primaries that are not known to have failed. */
async function primaries(): Promise<readonly Primary[]> {
  for (const node of cluster.nodes) {
    const client = await RespClient.connect({ host: "127.0.0.1", port: node.port }).catch(
      () => null,
    );
    if (client === null) continue;
    // One that was just killed may have taken the connection.
    const lines = (await client.ask("CLUSTER", "NODES").catch(() => "")).split("\n");
    client.close();
    if (lines.length < 2) continue;
    return lines
      .filter((line) => / (myself,)?master /.test(line) && / connected\b/.test(line))
      .map((line) => line.trim().split(" "))
      .map(([id = "", place = ""]) => ({
        ...{ id, port: Number(/:(\d+)/.exec(place)?.[1]) },
        hasReplica: lines.some((line) => line.includes(` slave ${id} `)),
      }));
  }
  return [];
}

/** A key of one of the slots that `reshard` moves first. */
function lowKey(): string {
  for (let i = 0; ; i++) {
    const key = Buffer.from(`low:${i}`);
    if ((crc16Slot(key, 0, key.length) & 16_383) < 20) return `${key}`;
  }
}

async function reshard(slots: number): Promise<void> {
  const [first, second] = await primaries();
  const { host, port: at } = cluster.nodes.find(({ port: each }) => each === first!.port)!;
  const parties = ["--cluster-from", first!.id, "--cluster-to", second!.id];
  const how = ["--cluster-slots", `${slots}`, "--cluster-yes", "--cluster-pipeline", "20"];
  await cluster.manage("reshard", `${host}:${at}`, ...parties, ...how);
}

describe("a cluster behind the proxy", () => {
  test("is one server for plain clients", async () => {
    await start();
    const client = await connect();
    const keys = Array.from({ length: 60 }, (_, i) => `k:${i}`);
    for (const key of keys) expect(await client.ask("SET", key, key)).toBe("+OK\r\n");
    client.command(...keys.map((key): [string, string] => ["GET", key]));
    const got = (await client.replies(keys.length)).map((bytes) => `${bytes}`);
    expect(got).toEqual(keys.map((key) => `$${key.length}\r\n${key}\r\n`));
    const all = await client.ask("MGET", ...keys, "none");
    expect(all).toBe(`*61\r\n${got.join("")}$-1\r\n`);
    expect(await client.ask("MSET", ...keys.flatMap((key) => [key, "2"]))).toBe("+OK\r\n");
    expect(await client.ask("EXISTS", ...keys)).toBe(":60\r\n");
    expect(await client.ask("DBSIZE")).toBe(":60\r\n");
    let cursor = "0";
    const seen = new Set<string>();
    do {
      const words = (await client.ask("SCAN", cursor, "COUNT", "7")).split("\r\n");
      cursor = words[2]!;
      for (const word of words.slice(4)) if (word.startsWith("k:")) seen.add(word);
    } while (cursor !== "0");
    expect(seen.size).toBe(60);
    expect(await client.ask("SINTERSTORE", "{a}x", "{a}y", "{a}z")).toBe(":0\r\n");
    expect(await client.ask("SINTERSTORE", "x", "y", "z")).toStartWith("-CROSSSLOT ");
    expect(await client.ask("EVAL", "return redis.call('INCR', KEYS[1])", "1", "n")).toBe(":1\r\n");
    expect(await client.ask("FLUSHALL")).toBe("+OK\r\n");
    expect(await client.ask("DBSIZE")).toBe(":0\r\n");
  });

  test("is itself the cluster for clients that look for one", async () => {
    await start();
    const client = await connect();
    expect(await client.ask("CLUSTER", "SLOTS")).toStartWith(
      `*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:${port}\r\n$40\r\n`,
    );
    expect(await client.ask("CLUSTER", "KEYSLOT", "{a}b")).toBe(":15495\r\n");
    expect(await client.ask("CLUSTER", "INFO")).toContain("cluster_state:ok");
    expect(await client.ask("READONLY")).toBe("+OK\r\n");
    const plain = new Cluster([{ host: "127.0.0.1", port }]);
    const other = await createCluster({
      rootNodes: [{ url: `redis://127.0.0.1:${port}` }],
    }).connect();
    for (let i = 0; i < 40; i++) {
      expect(await plain.set(`c:${i * 977}`, `${i}`)).toBe("OK");
      expect(await other.get(`c:${i * 977}`)).toBe(`${i}`);
    }
    expect(plain.nodes("all").map(({ options }) => options.port)).toEqual([port]);
    plain.disconnect();
    other.destroy();
    const cli = Bun.spawn(["redis-cli", "-c", "-p", `${port}`, "GET", "c:977"]);
    expect((await new Response(cli.stdout).text()).trim()).toBe("1");
    expect(await client.ask("FLUSHALL")).toBe("+OK\r\n");
  });

  test("passes on each message once", async () => {
    await start();
    const subscriber = await connect();
    subscriber.command(["SUBSCRIBE", "news"], ["PSUBSCRIBE", "n*"], ["SSUBSCRIBE", "a", "b", "c"]);
    expect(await subscriber.replies(5)).toHaveLength(5);
    const publisher = await connect();
    const direct = await Promise.all(cluster.nodes.map((node) => connect(node.port)));
    for (const [i, node] of direct.entries()) await node.ask("PUBLISH", "news", `from ${i}`);
    await publisher.ask("PUBLISH", "news", "through");
    const heard = (await subscriber.replies(2 * (direct.length + 1))).map((bytes) => `${bytes}`);
    for (let i = 0; i < direct.length; i++) {
      expect(heard.filter((text) => text.includes(`from ${i}`))).toHaveLength(2);
    }
    for (const shard of ["a", "b", "c"]) {
      expect(await publisher.ask("SPUBLISH", shard, `to ${shard}`)).toBe(":1\r\n");
      expect(`${await subscriber.reply()}`).toContain(`to ${shard}`);
    }
    expect(subscriber.unread).toHaveLength(0);
  });

  test("keeps what waits and what is subscribed when its slot moves", async () => {
    await start();
    const key = lowKey();
    const blocked = await connect();
    blocked.command(["BLPOP", key, "0"]);
    const subscriber = await connect();
    subscriber.command(["SSUBSCRIBE", key]);
    await subscriber.reply();
    const publisher = await connect();
    for (let round = 0; round < 2; round++) {
      await reshard(50);
      await cluster.agree();
      for (;;) {
        // Until the subscription has followed, it has no receiver.
        const receivers = await publisher.ask("SPUBLISH", key, `round ${round}`);
        if (receivers === ":1\r\n") break;
        expect(receivers).toBe(":0\r\n");
      }
      expect(`${await subscriber.reply()}`).toContain(`round ${round}`);
    }
    expect(await publisher.ask("RPUSH", key, "x")).toBe(":1\r\n");
    expect(`${await blocked.reply()}`).toBe(`*2\r\n$${key.length}\r\n${key}\r\n$1\r\nx\r\n`);
  }, 120_000);

  test("serves while slots move, without an error", async () => {
    await start();
    const load = new ClusterLoad({ port, clients: 12 });
    await load.start();
    await reshard(400);
    await cluster.agree();
    await load.more(400);
    await load.stop();
    expect(load.faults.slice(0, 8)).toEqual([]);
    expect(load.batches).toBeGreaterThan(400);
  }, 120_000);

  test("serves while slots move to a node that is new, over a reload and an upgrade", async () => {
    const { configFile } = await start();
    const load = new ClusterLoad({ port, clients: 12 });
    await load.start();
    const spare = await cluster.spare();
    const [first] = cluster.nodes;
    await cluster.manage(
      ...["add-node", `${spare.host}:${spare.port}`, `${first!.host}:${first!.port}`],
    );
    while (!(await primaries()).some(({ port: each }) => each === spare.port)) await Bun.sleep(20);
    await cluster.agree();
    const moving = (async () => {
      const all = await primaries();
      const target = all.find(({ port: each }) => each === spare.port)!;
      const parties = ["--cluster-from", "all", "--cluster-to", target.id];
      await cluster.manage(
        ...["reshard", `${first!.host}:${first!.port}`, ...parties],
        ...["--cluster-slots", "600", "--cluster-yes", "--cluster-pipeline", "20"],
      );
    })();
    const reloaded = await runCommand(["reload", "-c", configFile]);
    expect(reloaded.code).toBe(0);
    await load.more(100);
    const upgraded = await runCommand(["upgrade", "-c", configFile]);
    expect(upgraded.code).toBe(0);
    await moving;
    await cluster.agree();
    await load.more(300);
    await load.stop();
    expect(load.faults.slice(0, 8)).toEqual([]);
    const status = await runCommand(["status", "--json", "-c", configFile]);
    const { servers } = JSON.parse(status.output).status.pools[0];
    const names = servers.map(({ name }: { readonly name: string }) => name);
    expect(names).toContain(`${spare.host}:${spare.port}`);
  }, 120_000);

  test("gives no wrong reply when a primary is killed, and goes on when the cluster agrees", async () => {
    await start(["timeout: 2s"]);
    const load = new ClusterLoad({ port, clients: 12, mayFail: true });
    await load.start();
    const victim = (await primaries()).find(({ hasReplica }) => hasReplica);
    const node = cluster.nodes.find(({ port: each }) => each === victim!.port)!;
    process.kill(node.pid, "SIGKILL");
    // The others need a while to notice.
    while ((await primaries()).some(({ id }) => id === victim!.id)) await Bun.sleep(20);
    await cluster.agree();
    // The worker asks once a second.
    await load.goesWell(400);
    await load.stop();
    expect(load.faults.slice(0, 8)).toEqual([]);
  }, 120_000);

  test("goes on with what waits when the cluster agrees, though no client asks for anything more", async () => {
    await start(["failover_park: 60s"], 1);
    const victim = (await primaries()).find(({ hasReplica }) => hasReplica);
    const node = cluster.nodes.find(({ port: each }) => each === victim!.port)!;
    const direct = await connect(victim!.port);
    const client = await connect();
    let key = "";
    for (let i = 0; key === ""; i++) {
      if (!(await direct.ask("GET", `w:${i}`)).startsWith("-MOVED")) key = `w:${i}`;
    }
    expect(await client.ask("SET", key, "1")).toBe("+OK\r\n");
    process.kill(node.pid, "SIGKILL");
    // One is taken up before the loss is known, others wait in front of the server.
    client.command(["GET", key], ["SET", key, "2"], ["GET", key], ["DBSIZE"]);
    while ((await primaries()).some(({ id }) => id === victim!.id)) await Bun.sleep(20);
    await cluster.agree();
    const agreedMs = performance.now();
    const replies = (await client.replies(4)).map((bytes) => `${bytes}`);
    expect(replies[0]).toMatch(/^\$/);
    // It may have been on its way.
    expect(replies[1]).toMatch(/^\+OK|may or may not have been executed/);
    expect(replies[2]).toMatch(/^\$/);
    expect(replies[3]).toMatch(/^:\d+/);
    // Without a question it would be known by chance, half a minute after the last one.
    expect(performance.now() - agreedMs).toBeLessThan(6_000);
  }, 120_000);
});
