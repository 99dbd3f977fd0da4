/** Health checks with real servers: what a server that is down costs, who finds that out, and what becomes of its keys. */
import { afterEach, expect, test } from "bun:test";
import { healthOf, type PoolFigures } from "../../src/api/stats.ts";
import { CHAOS_INTERVAL_MS, runChaos } from "../support/chaos.ts";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { keysByServer, type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { TextClient } from "../support/text-client.ts";

const HOST = "127.0.0.1";
const DEADLINE_MS = 30_000;
const INTERVAL_MS = 100;

/** What a test started, ended after it in reverse order. */
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms until ${what}`);
    await Bun.sleep(5);
  }
}

type Server = RedisServer | MemcachedServer;

async function servers(start: () => Promise<Server>, count: number): Promise<Server[]> {
  const all = await Promise.all(Array.from({ length: count }, start));
  for (const server of all) cleanups.push(() => stopEvenStopped(server));
  return all;
}

async function stopEvenStopped(server: Server): Promise<void> {
  try {
    process.kill(server.pid, "SIGCONT");
  } catch {
    // It was killed by the test.
  }
  await server.stop();
}

const CHECKS = [
  `health_check: ${INTERVAL_MS}ms`,
  ...["health_check_fall: 2", "health_check_rise: 2"],
];
const QUICK = "health_check_timeout: 100ms";

async function startPool(
  all: readonly Server[],
  lines: readonly string[],
  workers = 2,
): Promise<ProxyProcess> {
  const pool = [
    ...[`listen: ${HOST}:${freePort()}`, ...CHECKS, ...lines, "servers:"],
    ...all.map(({ port }, index) => `  - ${HOST}:${port}:1 s${index}`),
  ];
  const config = `pools:\n  pool:\n${pool.map((line) => `    ${line}\n`).join("")}`;
  const proxy = await startProxy({ config, args: ["--workers", `${workers}`] });
  cleanups.push(() => proxy.stop());
  return proxy;
}

async function clientOf(proxy: ProxyProcess): Promise<RespClient> {
  const client = await RespClient.connect(proxy.endpoints[0]!);
  cleanups.push(() => client.close());
  return client;
}

async function figuresOf(proxy: ProxyProcess): Promise<PoolFigures> {
  return (await statusOf(proxy)).pools![0]!;
}

async function stateOf(proxy: ProxyProcess, server: number): Promise<string | null> {
  const { servers: all } = await figuresOf(proxy);
  return healthOf(all.find(({ name }) => name === `s${server}`)!.counters.health);
}

function linesWith(proxy: ProxyProcess, text: string): string[] {
  return proxy
    .stderr()
    .split("\n")
    .filter((line) => line.includes(text));
}

test("a server that hangs is down for all workers: its keys fail at once, others are served, and it comes back", async () => {
  const all = await servers(startRedis, 2);
  // Without a time-out a request would wait for ever.
  const proxy = await startPool(all, ["timeout: none", "proxy_commands: true", QUICK]);
  const client = await clientOf(proxy);
  const [[mine], [others]] = keysByServer(2, 1) as [[string], [string]];
  expect(await client.ask("SET", mine, "1")).toBe("+OK\r\n");
  process.kill(all[0]!.pid, "SIGSTOP");
  // This one waits until the server is known to be down.
  const failed = await client.ask("SET", mine, "2");
  expect(failed).toContain("its health checks fail");
  expect(failed).toContain("may or may not have been executed");
  await until("all workers know", async () => {
    const { servers: figures } = await figuresOf(proxy);
    return figures.find(({ name }) => name === "s0")?.trouble?.workers === 2;
  });
  expect(await stateOf(proxy, 0)).toBe("down");
  const refused = await client.ask("GET", mine);
  expect(refused).toMatch(
    /its health checks fail \(server s0: no (answer|connection) within 100 ms/,
  );
  expect(refused).toContain("the command was not sent");
  // So do those that need a connection of their own, or another kind of one.
  const other = await clientOf(proxy);
  expect(await other.ask("BLPOP", mine, "0")).toStartWith("-");
  expect(await other.ask("SELECT", "1")).toBe("+OK\r\n");
  expect(await other.ask("GET", mine)).toStartWith("-");
  expect(await client.ask("SET", others, "1")).toBe("+OK\r\n");
  expect(await client.ask("PROXY", "SHOW", "SERVERS")).toMatch(/state\r\n\$4\r\ndown\r\n/);
  process.kill(all[0]!.pid, "SIGCONT");
  await until("it is up", async () => (await client.ask("GET", mine)).startsWith("$1"));
  await until("all workers know", async () => (await stateOf(proxy, 0)) === "up");
  // Each change once, in each worker, with the reason.
  expect(linesWith(proxy, "server is down").length).toBe(2);
  expect(linesWith(proxy, "server is down")[0]).toMatch(/no (answer|connection) within 100 ms/);
  expect(linesWith(proxy, "server answers its probes again").length).toBe(2);
  const { servers: figures } = await figuresOf(proxy);
  const { counters } = figures.find(({ name }) => name === "s0")!;
  expect(counters.probe_failures).toBeGreaterThanOrEqual(2);
  expect(counters.probes).toBeGreaterThan(counters.probe_failures);
  expect(counters.health_changes).toBeGreaterThanOrEqual(8);
}, 60_000);

test("one worker asks for all, whichever lives, also over a reload", async () => {
  const [redis] = (await servers(startRedis, 1)) as [RedisServer];
  const proxy = await startPool([redis], [QUICK]);
  const direct = await RespClient.connect({ host: HOST, port: redis.port });
  cleanups.push(() => direct.close());
  const pings = async (): Promise<number> =>
    Number(/cmdstat_ping:calls=(\d+)/.exec(await direct.ask("INFO", "commandstats"))?.[1] ?? 0);
  const probes = async (): Promise<number> => (await figuresOf(proxy)).servers[0]!.counters.probes;
  await until("it is asked", async () => (await pings()) > 5);
  const [before, beforeMs] = [await pings(), performance.now()];
  await until("it is asked more", async () => (await pings()) > before + 10);
  const intervals = (performance.now() - beforeMs) / INTERVAL_MS;
  expect((await pings()) - before).toBeLessThanOrEqual(intervals + 2);

  for (const pid of proxy.workerPids()) {
    const count = await pings();
    process.kill(pid, "SIGKILL");
    await until("another worker asks", async () => (await pings()) > count + 3);
  }
  const counted = await probes();
  await mustRun(proxy, "reload");
  await until("the new workers ask", async () => (await probes()) > counted + 3);
  // Those that start when it is down know that at once.
  process.kill(redis.pid, "SIGSTOP");
  await until("it is down", async () => (await stateOf(proxy, 0)) === "down");
  await mustRun(proxy, "reload");
  const late = await clientOf(proxy);
  expect(await late.ask("GET", "k")).toContain("its health checks fail");
  process.kill(redis.pid, "SIGCONT");
  await until("it is up", async () => (await late.ask("GET", "k")) === "$-1\r\n");
}, 60_000);

test("a server that loads its data, or is busy with a script, is seen as such", async () => {
  const all = (await servers(
    () => startRedis({ args: ["--busy-reply-threshold", "50", "--enable-debug-command", "yes"] }),
    2,
  )) as RedisServer[];
  const proxy = await startPool(all, ["timeout: 20s"], 1);
  const script = await RespClient.connect({ host: HOST, port: all[0]!.port });
  cleanups.push(() => script.close());
  script.command(["EVAL", "while true do end", "0"]);
  await until("it is suspect", async () => (await stateOf(proxy, 0)) === "suspect");
  await until("the log says why", () => linesWith(proxy, "BUSY").length > 0);
  const { servers: figures } = await figuresOf(proxy);
  expect(figures[0]!.trouble?.kind).toBe("probe");
  // It answers, and that is what clients get: one of them may end the script.
  const client = await clientOf(proxy);
  const [[mine]] = keysByServer(2, 1) as [[string]];
  expect(await client.ask("GET", mine)).toStartWith("-BUSY");
  const other = await RespClient.connect({ host: HOST, port: all[0]!.port });
  await other.ask("SCRIPT", "KILL");
  other.close();
  await until("it is up", async () => (await stateOf(proxy, 0)) === "up");
}, 60_000);

test("READONLY makes a server suspect, and nothing else", async () => {
  const [main, copy] = (await servers(startRedis, 2)) as [RedisServer, RedisServer];
  const direct = await RespClient.connect({ host: HOST, port: copy.port });
  cleanups.push(() => direct.close());
  await direct.ask("REPLICAOF", HOST, `${main.port}`);
  const proxy = await startPool([copy], [], 1);
  const client = await clientOf(proxy);
  await until("it is a replica", async () =>
    (await client.ask("SET", "k", "v")).startsWith("-READONLY"),
  );
  const { servers: figures } = await figuresOf(proxy);
  expect([figures[0]!.trouble?.kind, figures[0]!.trouble?.state]).toEqual(["signal", "suspect"]);
  expect(linesWith(proxy, "it answers requests with READONLY").length).toBe(1);
  await direct.ask("REPLICAOF", "NO", "ONE");
  expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
}, 60_000);

test("a Memcached server that is stopped is down, and up again", async () => {
  const all = (await servers(startMemcached, 2)) as MemcachedServer[];
  const proxy = await startPool(all, ["protocol: memcache", "timeout: none", QUICK]);
  const client = await TextClient.connect(proxy.endpoints[0]!);
  cleanups.push(() => client.close());
  const [[mine]] = keysByServer(2, 1) as [[string]];
  process.kill(all[0]!.pid, "SIGSTOP");
  await until("it is down", async () => (await stateOf(proxy, 0)) === "down");
  expect(await client.ask(`get ${mine}\r\n`)).toContain("its health checks fail");
  process.kill(all[0]!.pid, "SIGCONT");
  await until("it is up", async () => (await stateOf(proxy, 0)) === "up");
  expect(await client.ask(`get ${mine}\r\n`)).toBe("END\r\n");
}, 60_000);

test("a spare stands in for a server that is down, and no other key moves", async () => {
  const all = await servers(startRedis, 2);
  const [spare] = (await servers(startRedis, 1)) as [RedisServer];
  const proxy = await startPool(all, [
    ...["on_down: spare", `spares: ["${HOST}:${spare.port}:1 spare"]`, "timeout: 1s"],
  ]);
  const client = await clientOf(proxy);
  const [mine, others] = keysByServer(2, 20) as [string[], string[]];
  for (const key of [...mine, ...others]) await client.ask("SET", key, "server");
  await all[0]!.process.stop();
  await until("the spare stands in", async () => (await client.ask("GET", mine[0]!)) === "$-1\r\n");
  for (const key of mine) expect(await client.ask("SET", key, "spare")).toBe("+OK\r\n");
  for (const key of others) expect(await client.ask("GET", key)).toContain("server");
  const direct = await RespClient.connect({ host: HOST, port: spare.port });
  cleanups.push(() => direct.close());
  expect(await direct.ask("DBSIZE")).toBe(`:${mine.length}\r\n`);
  // Its own transactions and blocking commands go there, too.
  expect(await client.ask("MULTI")).toBe("+OK\r\n");
  expect(await client.ask("GET", mine[0]!)).toBe("+QUEUED\r\n");
  expect(await client.ask("EXEC")).toContain("spare");
  const again = await startRedis({ port: all[0]!.port });
  cleanups.push(() => again.stop());
  await until("it is back", async () => (await client.ask("GET", mine[0]!)) === "$-1\r\n");
  const { servers: figures } = await figuresOf(proxy);
  expect(figures.map(({ name }) => name)).toEqual(["s0", "s1", "spare"]);
}, 60_000);

for (const onDown of ["fail", "rehash"] as const) {
  test(`servers killed, stopped, slow and sending garbage, on_down ${onDown}: no wrong reply, none missing`, async () => {
    const { examples, recoveriesMs, ...report } = await runChaos({
      ...{ seconds: 4, onDown, seed: 5, isBusy: true },
    });
    expect(examples).toEqual([]);
    const { wrong, unanswered, closed, errorsOutOfPlace } = report;
    expect({ wrong, unanswered, closed, errorsOutOfPlace }).toEqual({
      ...{ wrong: 0, unanswered: 0, closed: 0, errorsOutOfPlace: 0 },
    });
    expect(report.requests).toBeGreaterThan(500);
    // Two intervals, and what a busy machine adds to that.
    expect(Math.max(0, ...Object.values(recoveriesMs))).toBeLessThan(20 * CHAOS_INTERVAL_MS);
  }, 90_000);
}
