/** Blocked clients while the processes behind them change. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { GenerationResult } from "../../src/api/control-socket.ts";
import { BlockingLoad } from "../support/blocking-load.ts";
import { freePort } from "../support/free-port.ts";
import { moveRounds } from "../support/move-rounds.ts";
import { keysByServer, redisPool, startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";
import { TestGeneration } from "../support/worker-process.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

const HOST = "127.0.0.1";
const DEADLINE_MS = 20_000;

async function startServers(count: number): Promise<RedisServer[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis()));
  for (const server of servers) stops.push(() => server.stop());
  return servers;
}

async function clientAt(port: number): Promise<RespClient> {
  const client = await RespClient.connect({ host: HOST, port }, 60_000);
  stops.push(async () => client.close());
  return client;
}

/** One line of CLIENT LIST for each connection of the proxy. */
async function connectionsOf(servers: readonly RedisServer[]): Promise<string[]> {
  const lists = await Promise.all(servers.map((server) => exchange(server, [["CLIENT", "LIST"]])));
  return lists
    .flatMap(([list]) => `${list}`.split("\n"))
    .filter((line) => /cmd=(?!client\|list)/.test(line));
}

async function blockedOn(servers: readonly RedisServer[]): Promise<number> {
  return (await connectionsOf(servers)).filter((line) => / flags=\w*b/.test(line)).length;
}

async function untilBlocked(servers: readonly RedisServer[], count: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (let blocked = -1; blocked !== count; blocked = await blockedOn(servers)) {
    if (performance.now() > deadline) throw new Error(`${blocked} clients block, not ${count}`);
    await Bun.sleep(5);
  }
}

async function pushTo(servers: readonly RedisServer[], index: number, key: string): Promise<void> {
  await exchange(servers[index]!, [["RPUSH", key, `for ${key}`]]);
}

test("upgrades in a row under load: every element arrives once, in order", async () => {
  const servers = await startServers(2);
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `${HOST}:${port}`, servers }),
    args: ["--workers", "2"],
  });
  stops.push(() => proxy.stop());
  const endpoint = { host: HOST, port };
  // Some wait all the time, with a request behind the one that blocks.
  const keys = keysByServer(2, 10).flatMap((of, server) => of.map((key) => ({ server, key })));
  const sleepers = await Promise.all(keys.map(() => clientAt(port)));
  for (const [i, sleeper] of sleepers.entries()) {
    sleeper.command(["BLPOP", keys[i]!.key, "0"], ["ECHO", `after ${keys[i]!.key}`]);
  }
  const load = await SteadyLoad.start({ endpoint, pipelining: 10, idle: 30, halfway: 2 });
  const blocking = await BlockingLoad.start(endpoint, 24);
  const files = (): number =>
    [...new Bun.Glob("*").scanSync({ cwd: `/proc/${proxy.pid}/fd`, onlyFiles: false })].length;
  let filesAtFirst = 0;
  let before = 0;
  const rounds = moveRounds();
  for (let round = 1; round <= rounds; round++) {
    const { crew, warning } = await mustRun<UpgradeResult>(proxy, "upgrade");
    expect(warning).toBe(null);
    expect(crew).toMatchObject({ workers: 2, left: 0, lost: 0 });
    expect(blocking.popped).toBeGreaterThan(before);
    before = blocking.popped;
    if (round === 2) filesAtFirst = files();
  }
  expect(files()).toBeLessThanOrEqual(filesAtFirst + 2);
  await blocking.stop();
  expect(blocking.errors).toEqual([]);
  await load.stop();
  expect(load.errors).toEqual([]);
  await untilBlocked(servers, sleepers.length);
  // Besides: what two workers share or keep of two servers, in two versions of the protocol.
  expect((await connectionsOf(servers)).length).toBeLessThanOrEqual(sleepers.length + 8 + 24);
  for (const [i, { server, key }] of keys.entries()) {
    await pushTo(servers, server, key);
    const text = `for ${key}`;
    expect(`${await sleepers[i]!.reply()}`).toContain(`\r\n${text}\r\n`);
    expect(`${await sleepers[i]!.reply()}`).toContain(`after ${key}\r\n`);
  }
  await proxy.stop();
  expect(await connectionsOf(servers)).toEqual([]);
}, 240_000);

test("a blocked client that leaves after an upgrade takes nothing any more", async () => {
  const servers = await startServers(1);
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `${HOST}:${port}`, servers }),
    args: ["--workers", "1"],
  });
  stops.push(() => proxy.stop());
  const clients = [await clientAt(port), await clientAt(port), await clientAt(port)] as const;
  for (const client of clients) client.command(["BLPOP", "q", "0"]);
  await untilBlocked(servers, 3);
  const { crew } = await mustRun<UpgradeResult>(proxy, "upgrade");
  expect(crew).toMatchObject({ moved: 3, left: 0, lost: 0 });
  expect(await blockedOn(servers)).toBe(3);
  const list = `${(await exchange({ host: HOST, port }, [["CLIENT", "LIST"]]))[0]}`;
  expect(list.match(/ flags=b .* cmd=blpop /g)).toHaveLength(3);
  clients[0].close();
  clients[1].reset();
  await untilBlocked(servers, 1);
  await exchange(servers[0]!, [["RPUSH", "q", "a", "b"]]);
  expect(`${await clients[2].reply()}`).toContain("\r\na\r\n");
  expect(await exchange(servers[0]!, [["LRANGE", "q", "0", "-1"]])).toEqual([[Buffer.from("b")]]);
});

test("a client that watches and waits, on one server or on two, goes on with both", async () => {
  const servers = await startServers(2);
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `${HOST}:${port}`, servers }),
    args: ["--workers", "2"],
  });
  stops.push(() => proxy.stop());
  const [here, there] = keysByServer(2, 3) as [string[], string[]];
  const queues = [here[0]!, there[0]!];
  const watching = [await clientAt(port), await clientAt(port)];
  const waitAll = async (): Promise<void> => {
    for (const [i, client] of watching.entries()) {
      expect(await client.ask("WATCH", here[1]!)).toBe("+OK\r\n");
      client.command(["BLPOP", queues[i]!, "0"]);
    }
    await untilBlocked(servers, 2);
    expect((await mustRun<UpgradeResult>(proxy, "upgrade")).crew).toMatchObject({
      left: 0,
      lost: 0,
    });
    expect(await blockedOn(servers)).toBe(2);
  };
  const execute = async (): Promise<string[]> => {
    const results: string[] = [];
    for (const [i, client] of watching.entries()) {
      await pushTo(servers, i, queues[i]!);
      expect(`${await client.reply()}`).toContain(`for ${queues[i]}\r\n`);
      client.command(["MULTI"], ["GET", here[2]!], ["EXEC"]);
      results.push(`${(await client.replies(3))[2]}`);
    }
    return results;
  };
  await waitAll();
  expect(await execute()).toEqual(["*1\r\n$-1\r\n", "*1\r\n$-1\r\n"]);
  await waitAll();
  await exchange(servers[0]!, [["SET", here[1]!, "changed"]]);
  expect(await execute()).toEqual(["*-1\r\n", "*-1\r\n"]);
  for (const client of watching) client.close();
  // Nothing is left of what they had of their own.
  const deadline = performance.now() + DEADLINE_MS;
  while ((await connectionsOf(servers)).length > 4) {
    if (performance.now() > deadline) throw new Error((await connectionsOf(servers)).join("\n"));
    await Bun.sleep(5);
  }
});

test("reloads: who waits on a server that stays waits on; who does not is told, and may go on", async () => {
  const servers = await startServers(3);
  const port = freePort();
  const config = (count: number, ...lines: string[]): string =>
    redisPool({ listen: `${HOST}:${port}`, servers: servers.filter((_, i) => i < count), lines });
  const proxy = await startProxy({ config: config(2), args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  const reload = async (text: string): Promise<GenerationResult | null> => {
    writeFileSync(proxy.configFile, text);
    return (await mustRun<{ readonly crew: GenerationResult | null }>(proxy, "reload")).crew;
  };
  const two = keysByServer(2, 200).map((keys) => new Set(keys));
  const three = keysByServer(3, 200).map((keys) => new Set(keys));
  const key = (from: number, to: number): string =>
    [...two[from]!].find((each) => three[to]!.has(each))!;
  const [staying, moving, ending] = [
    await clientAt(port),
    await clientAt(port),
    await clientAt(port),
  ];
  const keys = { staying: key(0, 0), moving: key(0, 2), ending: key(1, 1) };
  staying.command(["BLPOP", keys.staying, "0"]);
  moving.command(["BLPOP", keys.moving, "0"]);
  ending.command(["BLPOP", keys.ending, "0"]);
  await untilBlocked(servers, 3);
  expect(await reload(config(2, "timeout: 5000"))).toMatchObject({ moved: 3, left: 0, lost: 0 });
  expect(await blockedOn(servers)).toBe(3);
  // A third server takes some of the keys.
  expect(await reload(config(3))).toMatchObject({ moved: 3, left: 0, lost: 0 });
  expect(`${await moving.reply()}`).toStartWith("-UNBLOCKED the servers of this pool have changed");
  moving.command(["BLPOP", keys.moving, "0"]);
  await untilBlocked(servers, 3);
  await pushTo(servers, 2, keys.moving);
  expect(`${await moving.reply()}`).toContain(keys.moving);
  // One is left of them.
  expect(await reload(config(1))).toMatchObject({ lost: 0 });
  expect(`${await ending.reply()}`).toMatch(
    /^-ERR .*server s1 was taken out of the pool; the command may/,
  );
  expect(await ending.ask("PING")).toBe("+PONG\r\n");
  await untilBlocked(servers, 1);
  await pushTo(servers, 0, keys.staying);
  expect(`${await staying.reply()}`).toContain(keys.staying);
  expect(readFileSync(proxy.configFile, "utf8")).not.toContain(" s1");
});

test("rebalancing leaves blocked clients where they are; a receiver of an older format gets none", async () => {
  const servers = await startServers(1);
  const port = freePort();
  const generation = new TestGeneration(redisPool({ listen: `${HOST}:${port}`, servers }), port);
  stops.push(() => generation.stop());
  const old = await generation.start();
  const waiting = await Promise.all(Array.from({ length: 5 }, () => clientAt(port)));
  for (const [i, client] of waiting.entries()) client.command(["BLPOP", `q${i}`, "0"]);
  const idle = await Promise.all(Array.from({ length: 3 }, () => clientAt(port)));
  for (const client of idle) await client.ask("PING");
  await untilBlocked(servers, 5);
  const second = await generation.start(false);
  expect(await old.handOverTo(second, 8, "pool", 2)).toMatchObject({ moved: 3, left: 5 });
  for (const client of idle) expect(await client.ask("PING")).toBe("+PONG\r\n");
  expect(await old.handOverTo(second, null, "pool", 1)).toMatchObject({ moved: 0, left: 5 });
  // It drains: each goes when it is served.
  for (const [i, client] of waiting.entries()) {
    await pushTo(servers, 0, `q${i}`);
    expect(`${await client.reply()}`).toContain(`for q${i}`);
    await client.untilClosed();
  }
  expect(await old.exited).toBe(0);
});

test("a proxy that stops does not wait for blocked clients for longer than it drains", async () => {
  const servers = await startServers(1);
  const port = freePort();
  const config = `pools:\n  p:\n    listen: ${HOST}:${port}\n    servers: ["${HOST}:${servers[0]!.port}:1"]\n`;
  const proxy = await startProxy({
    config: `drain_timeout: 300ms\n${config}`,
    args: ["--workers", "1"],
  });
  stops.push(() => proxy.stop());
  const client = await clientAt(port);
  client.command(["BLPOP", "q", "0"]);
  await untilBlocked(servers, 1);
  process.kill(proxy.pid, "SIGTERM");
  expect((await client.untilClosed()).length).toBe(0);
  expect(await proxy.exited).toBe(0);
  expect(await blockedOn(servers)).toBe(0);
});
