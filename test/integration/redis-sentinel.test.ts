/** A pool whose servers are masters that real Redis Sentinels watch: failovers under load, reload and upgrade meanwhile. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { ClusterLoad } from "../support/cluster-load.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type SentinelGroup, startSentinels } from "../support/redis-sentinel.ts";
import { RespClient } from "../support/resp-client.ts";
import { runCommand } from "../support/run-command.ts";

let group: SentinelGroup;
let proxy: ProxyProcess | null = null;
let port = 0;
let clients: RespClient[] = [];

beforeAll(async () => {
  group = await startSentinels({
    ...{ masters: ["one", "two"], replicas: 1 },
    ...{ password: "of servers", sentinelPassword: "of sentinels" },
  });
}, 120_000);

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy?.stop();
  proxy = null;
});

afterAll(() => group.stop());

function configOf(lines: readonly string[], masters: string): string {
  return [
    "pools:",
    "  main:",
    `    listen: 127.0.0.1:${port}`,
    `    sentinels: [${group.sentinels.map(({ address }) => address).join(", ")}]`,
    `    masters: [${masters}]`,
    "    sentinel_password: of sentinels",
    "    redis_auth: of servers",
    ...lines.map((line) => `    ${line}`),
    "",
  ].join("\n");
}

async function start(lines: readonly string[] = [], masters = "one, two"): Promise<ProxyProcess> {
  port = freePort();
  proxy = await startProxy({ config: configOf(lines, masters), args: ["--workers", "2"] });
  return proxy;
}

async function connect(): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  clients.push(client);
  await client.ask("AUTH", "of servers");
  return client;
}

/** Errors of reads, and of writes that were surely not executed: with failover_park there are none. */
function needless(load: ClusterLoad): [string, number][] {
  return [...load.errorsSeen].filter(([text]) => {
    const isRead = /^(GET|MGET|EXISTS)\b/.test(text);
    return isRead || !text.includes("may or may not have been executed");
  });
}

describe("masters that sentinels watch", () => {
  test("are found, and keys are spread over them", async () => {
    await start();
    const client = await connect();
    const keys = Array.from({ length: 40 }, (_, i) => `${i * 977}:key`);
    for (const key of keys) expect(await client.ask("SET", key, key)).toBe("+OK\r\n");
    for (const key of keys) {
      expect(await client.ask("GET", key)).toBe(`$${key.length}\r\n${key}\r\n`);
    }
    const sizes = await Promise.all(
      ["one", "two"].map(async (name) => {
        const master = await group.master(name);
        const direct = await RespClient.connect({ host: master.host, port: master.port });
        clients.push(direct);
        await direct.ask("AUTH", "of servers");
        return Number((await direct.ask("DBSIZE")).slice(1));
      }),
    );
    expect(sizes[0]! + sizes[1]!).toBe(40);
    expect(Math.min(...sizes)).toBeGreaterThan(5);
    expect(await client.ask("FLUSHALL")).toBe("+OK\r\n");
  });

  test("are the proxy, for clients that look for a master by themselves", async () => {
    await start();
    const client = new Redis({
      ...{ sentinels: [{ host: "127.0.0.1", port }], name: "one", password: "of servers" },
      sentinelPassword: "of servers",
    });
    expect(await client.set("by name", "1")).toBe("OK");
    expect(await client.get("by name")).toBe("1");
    client.disconnect();
    const plain = await connect();
    expect(await plain.ask("SENTINEL", "get-master-addr-by-name", "one")).toBe(
      `*2\r\n$9\r\n127.0.0.1\r\n$${`${port}`.length}\r\n${port}\r\n`,
    );
    expect(await plain.ask("SENTINEL", "FAILOVER", "one")).toStartWith("-ERR this is a proxy");
  });

  test("that no sentinel knows are named in the log, and the others serve", async () => {
    const { stderr } = await start(["failover_park: none"], "one, three");
    const client = await connect();
    const replies: string[] = [];
    for (let i = 0; i < 20; i++) replies.push(await client.ask("SET", `${i * 977}:key`, "v"));
    expect(replies).toContain("+OK\r\n");
    const refused = replies.filter((reply) => reply !== "+OK\r\n");
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every((reply) => reply.includes("where it is was not told so far"))).toBe(true);
    expect(stderr()).toContain("no sentinel knows a master named three");
  });

  test.each([
    ["straight", 2],
    ["as the leaf of a route", 1],
  ] as const)(
    "change by SENTINEL FAILOVER without an error for what was not sent, or is a read: %s",
    async (how, rounds) => {
      if (how === "straight") await start();
      else {
        port = freePort();
        const leaf = configOf([], "one, two");
        port = freePort();
        const app = [`listen: 127.0.0.1:${port}`, "redis_auth: of servers", "route: main"];
        proxy = await startProxy({
          config: [leaf, "  app:", ...app.map((line) => `    ${line}`), ""].join("\n"),
          args: ["--workers", "2"],
        });
      }
      const load = new ClusterLoad({
        ...{ port, clients: 12, mayFail: true, mayLose: true },
        password: "of servers",
      });
      await load.start();
      for (let round = 0; round < rounds; round++) {
        await group.settled("one", 1);
        const before = await group.master("one");
        let started: string | null = "";
        while (started !== "+OK\r\n") {
          started = await group.ask(group.sentinels[0]!, "SENTINEL", "FAILOVER", "one");
          if (started !== "+OK\r\n") await Bun.sleep(100);
        }
        await group.moved("one", before.port);
        await load.goesWell(100);
      }
      await load.stop();
      expect(load.faults.slice(0, 8)).toEqual([]);
      expect(needless(load)).toEqual([]);
    },
    180_000,
  );

  test("are killed, over a reload and an upgrade, and no client is lost", async () => {
    const { configFile } = await start();
    await group.settled("two", 1);
    const load = new ClusterLoad({
      ...{ port, clients: 12, mayFail: true, mayLose: true },
      password: "of servers",
    });
    await load.start();
    const victim = await group.master("two");
    process.kill(victim.pid, "SIGKILL");
    const [reloaded, upgraded] = [
      await runCommand(["reload", "-c", configFile]),
      await runCommand(["upgrade", "-c", configFile]),
    ];
    expect([reloaded.code, upgraded.code]).toEqual([0, 0]);
    await group.moved("two", victim.port);
    await load.goesWell(100);
    await load.stop();
    expect(load.faults.slice(0, 8)).toEqual([]);
    expect(needless(load)).toEqual([]);
    await group.restart(victim);
  }, 180_000);
});
