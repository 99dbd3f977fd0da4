/** WAIT through the proxy tells how many replicas have the client's writes, as straight. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { stopProcess } from "../support/stop-process.ts";

const DEADLINE_MS = 30_000;
/** Of the pools, for replies of any other command. */
const TIMEOUT_MS = 2000;

let masters: RedisServer[] = [];
let replicas: RedisServer[] = [];
let one: ProxyProcess;
let many: ProxyProcess;

beforeAll(async () => {
  const args = ["--repl-diskless-sync-delay", "0"];
  masters = await Promise.all([startRedis({ args }), startRedis({ args })]);
  replicas = await Promise.all(
    masters.map(({ port }) => startRedis({ args: ["--replicaof", "127.0.0.1", `${port}`] })),
  );
  for (const master of masters) {
    await until(async () => (await infoOf(master, "replication")).includes("state=online"));
  }
  [one, many] = await Promise.all([proxyFor(masters.filter((_, i) => i === 0)), proxyFor(masters)]);
});

afterAll(async () => {
  for (const { pid } of replicas) process.kill(pid, "SIGCONT");
  await Promise.all([one, many].map((proxy) => proxy.stop()));
  await Promise.all([...replicas, ...masters].map((server) => server.stop()));
});

function proxyFor(servers: readonly RedisServer[]): Promise<ProxyProcess> {
  const listen = `127.0.0.1:${freePort()}`;
  const lines = [`timeout: ${TIMEOUT_MS}`];
  return startProxy({ config: redisPool({ listen, servers, lines }), args: ["--workers", "1"] });
}

async function infoOf(server: RedisServer, section: string): Promise<string> {
  return String((await exchange(server, [["INFO", section]]))[0]);
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error("waited too long");
    await Bun.sleep(10);
  }
}

/** Runs `body` while a replica takes nothing in. */
async function without(replica: RedisServer, body: () => Promise<void>): Promise<void> {
  await stopProcess(replica.pid);
  try {
    await body();
  } finally {
    process.kill(replica.pid, "SIGCONT");
  }
}

const WRITE_AND_WAIT = [
  ["SET", "a", "1"],
  ["WAIT", "1", "15000"],
];

test("a write has reached the replica when WAIT says so", async () => {
  for (const endpoint of [masters[0]!, one.endpoints[0]!]) {
    for (let round = 0; round < 5; round++) {
      const [, waited] = await exchange(endpoint, [
        ["SET", "a", `${round}`],
        ["WAIT", "1", "15000"],
      ]);
      expect(waited).toBe(1);
      expect(String((await exchange(replicas[0]!, [["GET", "a"]]))[0])).toBe(`${round}`);
    }
  }
});

test("a replica that has not got the write is not counted", async () => {
  await without(replicas[0]!, async () => {
    for (const endpoint of [masters[0]!, one.endpoints[0]!, many.endpoints[0]!]) {
      const [, waited, ping] = await exchange(endpoint, [
        ["SET", "a", "2"],
        ["WAIT", "1", "50"],
        ["PING"],
      ]);
      expect([waited, String(ping)]).toEqual([0, "PONG"]);
    }
  });
});

test("over several servers it is the least of all", async () => {
  const [, both] = await exchange(many.endpoints[0]!, WRITE_AND_WAIT);
  expect(both).toBe(1);
  for (const replica of replicas) {
    await without(replica, async () => {
      expect((await exchange(many.endpoints[0]!, [["WAIT", "1", "50"]]))[0]).toBe(0);
    });
  }
});

test("a WAIT for longer than the pool's timeout is not late", async () => {
  await without(replicas[0]!, async () => {
    const got = await exchange(one.endpoints[0]!, [
      ["SET", "a", "3"],
      ["WAIT", "1", `${TIMEOUT_MS + 500}`],
    ]);
    expect(got.map(String)).toEqual(["OK", "0"]);
  });
});

test("nobody waits behind a WAIT without end", async () => {
  await without(replicas[0]!, async () => {
    const waiting = await RespClient.connect(one.endpoints[0]!);
    waiting.command(["SET", "b", "1"], ["WAIT", "1", "0"], ["GET", "b"]);
    expect(`${await waiting.reply()}`).toBe("+OK\r\n");
    await until(async () => (await infoOf(masters[0]!, "clients")).includes("blocked_clients:1"));
    const replies = await exchange(one.endpoints[0]!, [
      ["SET", "c", "1"],
      ["GET", "c"],
    ]);
    expect(replies.map(String)).toEqual(["OK", "1"]);
    expect(waiting.unread.length).toBe(0);
    process.kill(replicas[0]!.pid, "SIGCONT");
    expect((await waiting.replies(2)).map(String)).toEqual([":1\r\n", "$1\r\n1\r\n"]);
    waiting.close();
  });
});

test("a client that leaves ends its wait at the servers", async () => {
  await without(replicas[0]!, async () => {
    const leaving = await RespClient.connect(many.endpoints[0]!);
    leaving.command(["SET", "b", "1"], ["WAIT", "5", "0"]);
    for (const master of masters) {
      await until(async () => (await infoOf(master, "clients")).includes("blocked_clients:1"));
    }
    leaving.close();
    for (const master of masters) {
      await until(async () => (await infoOf(master, "clients")).includes("blocked_clients:0"));
    }
  });
});

test("the connections that waited are used again", async () => {
  const clients = async (): Promise<string> =>
    /total_connections_received:(\d+)/.exec(await infoOf(masters[0]!, "stats"))![1]!;
  await exchange(one.endpoints[0]!, WRITE_AND_WAIT);
  const before = Number(await clients());
  for (let i = 0; i < 10; i++) await exchange(one.endpoints[0]!, WRITE_AND_WAIT);
  // One for this question.
  expect(Number(await clients())).toBe(before + 1);
});

test("a user who may not publish is served all the same by a server of before 7.2", async () => {
  const [server] = await exchange(masters[0]!, [["INFO", "server"]]);
  const isOld = /redis_version:7\.0/.test(String(server));
  await exchange(masters[0]!, [["ACL", "SETUSER", "default", "resetchannels"]]);
  try {
    const [published] = await exchange(masters[0]!, [["SPUBLISH", "channel", ""]]);
    expect(String(published)).toContain("NOPERM");
    const [, waited] = await exchange(one.endpoints[0]!, WRITE_AND_WAIT);
    expect(String(waited)).toStartWith(isOld ? "1" : "Error: NOPERM");
  } finally {
    await exchange(masters[0]!, [["ACL", "SETUSER", "default", "allchannels"]]);
  }
});

test("when a server is lost the wait is over, at the others too", async () => {
  const servers = await Promise.all([startRedis(), startRedis()]);
  const proxy = await proxyFor(servers);
  const client = await RespClient.connect(proxy.endpoints[0]!);
  client.command(["WAIT", "1", "0"], ["PING"]);
  for (const server of servers) {
    await until(async () => (await infoOf(server, "clients")).includes("blocked_clients:1"));
  }
  await servers[1]!.stop();
  const [waited, ping] = (await client.replies(2)).map(String);
  expect(waited).toStartWith("-ERR Connection reset by peer (server s1");
  expect(ping).toBe("+PONG\r\n");
  await until(async () => (await infoOf(servers[0]!, "clients")).includes("blocked_clients:0"));
  client.close();
  await Promise.all([proxy.stop(), servers[0]!.stop()]);
});
