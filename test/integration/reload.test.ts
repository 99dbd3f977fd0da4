/** `proxy reload` and the other commands on a running proxy: connections stay, and mistakes change nothing. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Changes, GenerationResult } from "../../src/api/control-socket.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { moveRounds } from "../support/move-rounds.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, runCommand, statusOf } from "../support/run-command.ts";
import type { Endpoint } from "../support/server-process.ts";
import { SteadyLoad } from "../support/steady-load.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

interface ReloadResult {
  readonly changes: Changes;
  readonly crew: GenerationResult | null;
}

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function redis(): Promise<RedisServer> {
  const server = await startRedis();
  stops.push(() => server.stop());
  return server;
}

async function proxyOf(config: string, ...args: string[]): Promise<ProxyProcess> {
  const proxy = await startProxy({ config, args });
  stops.push(() => proxy.stop());
  return proxy;
}

async function client(endpoint: Endpoint): Promise<RespClient> {
  const opened = await RespClient.connect(endpoint);
  stops.push(async () => opened.close());
  return opened;
}

function at(port: number): Endpoint {
  return { host: "127.0.0.1", port };
}

/** A native file with one pool per address, each on all servers. */
function native(
  listen: readonly string[],
  servers: readonly RedisServer[],
  ...lines: string[]
): string {
  const list = servers.map(({ host, port }, index) => `"${host}:${port}:1 s${index}"`).join(", ");
  const pools = listen.map(
    (address, index) => `  pool${index}:\n    listen: ${address}\n    servers: [${list}]\n`,
  );
  return `${lines.map((line) => `${line}\n`).join("")}pools:\n${pools.join("")}`;
}

test("reloads that add and remove a neighbour pool, under load, harm nobody", async () => {
  const servers = [await redis(), await redis()];
  const [port, other] = [freePort(), freePort()];
  const alone = redisPool({ listen: `127.0.0.1:${port}`, servers });
  const neighbour = redisPool({ listen: `127.0.0.1:${other}`, servers }).replace("pool:", "other:");
  const proxy = await proxyOf(alone, "--workers", "2");
  const load = await SteadyLoad.start({
    endpoint: at(port),
    pipelining: 20,
    idle: 100,
    halfway: 3,
  });
  const rounds = moveRounds() / 2;
  for (let round = 1; round <= rounds; round += 1) {
    writeFileSync(proxy.configFile, alone + neighbour);
    const { crew } = await mustRun<ReloadResult>(proxy, "reload");
    expect(crew).toMatchObject({ crew: 2 * round, workers: 2, moved: 126, left: 0, lost: 0 });
    expect(await (await client(at(other))).ask("PING")).toBe("+PONG\r\n");
    writeFileSync(proxy.configFile, alone);
    const { crew: back } = await mustRun<ReloadResult>(proxy, "reload");
    expect(back).toMatchObject({ crew: 2 * round + 1, lost: 0 });
    await expect(RespClient.connect(at(other))).rejects.toThrow("Failed to connect");
  }
  await load.stop();
  expect(load.errors).toEqual([]);
  expect(load.requests).toBeGreaterThan(1000);
});

test("a connection's next request uses the new configuration", async () => {
  const [first, second] = [await redis(), await redis()];
  const port = freePort();
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [first], "workers: 1"));
  const asker = await client(at(port));
  expect(await asker.ask("SET", "k", "first")).toBe("+OK\r\n");
  writeFileSync(proxy.configFile, native([`127.0.0.1:${port}`], [second], "workers: 1"));
  const { changes } = await mustRun<ReloadResult>(proxy, "reload");
  expect(changes.lines).toEqual([
    `pool "pool0": server s0: 127.0.0.1:${first.port} weight 1 → 127.0.0.1:${second.port} weight 1`,
  ]);
  expect(await asker.ask("GET", "k")).toBe("$-1\r\n");
});

test("a file in error changes nothing, and every error is told with its place", async () => {
  const server = await redis();
  const port = freePort();
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [server], "workers: 2"));
  const before = proxy.workerPids().sort();
  const asker = await client(at(port));
  const good = readFileSync(proxy.configFile, "utf8");
  writeFileSync(proxy.configFile, good.replace("workers", "worker").replace("listen", "lissten"));
  const { code, errors } = await commandOf(proxy, "reload");
  expect(code).toBe(1);
  expect(errors).toContain(`${proxy.configFile}:1:1: unknown key "worker"`);
  expect(errors).toContain('unknown key "lissten"');
  process.kill(proxy.pid, "SIGHUP");
  await until(
    "the log says so",
    () => (proxy.stderr().match(/reload failed: .*lissten/g) ?? []).length === 2,
  );
  expect(proxy.workerPids().sort()).toEqual(before);
  expect(await asker.ask("PING")).toBe("+PONG\r\n");
  expect((await statusOf(proxy)).lastChange).toMatchObject({ what: "reload", ok: false });
});

test("an address that cannot be used makes the reload fail, and takes nothing away", async () => {
  const server = await redis();
  const [port, taken] = [freePort(), await redis()];
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [server], "workers: 2"));
  const listen = [`127.0.0.1:${port}`, `127.0.0.1:${freePort()}`, `127.0.0.1:${taken.port}`];
  writeFileSync(proxy.configFile, native(listen, [server], "workers: 3"));
  const { code, errors } = await commandOf(proxy, "reload");
  expect(code).toBe(1);
  expect(errors).toStartWith(
    `proxy: pool "pool2": address 127.0.0.1:${taken.port} is already in use`,
  );
  await expect(RespClient.connect(at(Number(listen[1]!.split(":")[1])))).rejects.toThrow(
    "Failed to connect",
  );
  expect(await (await client(at(port))).ask("PING")).toBe("+PONG\r\n");
  expect((await statusOf(proxy)).processes.map(({ crew }) => crew)).toEqual([1, 1, 1]);
});

test("a dry run says what would change and how many keys would move, and does nothing", async () => {
  const servers = [await redis(), await redis(), await redis(), await redis()];
  const port = freePort();
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], servers, "workers: 1"));
  const before = proxy.workerPids();
  const fewer = native([`127.0.0.1:${port}`], servers.toSpliced(3, 1), "workers: 2");
  writeFileSync(proxy.configFile, fewer);
  const { changes, crew } = await mustRun<ReloadResult>(proxy, "reload", "--dry-run");
  expect(crew).toBe(null);
  expect(changes.lines).toEqual(["workers: 1 → 2", 'pool "pool0": server s3 goes']);
  expect(changes.rings).toHaveLength(1);
  expect(changes.rings[0]!.movedShare).toBeGreaterThan(0.15);
  expect(changes.rings[0]!.movedShare).toBeLessThan(0.35);
  const { output } = await commandOf(proxy, "reload", "--dry-run");
  expect(output).toMatch(/pool "pool0": about \d+\.\d % of its keys get another server/);
  expect(proxy.workerPids()).toEqual(before);
});

test.each([
  ["reuseport", "shared"],
  ["shared", "reuseport"],
  ["reuseport", "reuseport"],
])(
  "from %s to %s and another number of workers, clients stay and everybody is served",
  async (from, to) => {
    const server = await redis();
    const port = freePort();
    const listen = [`127.0.0.1:${port}`];
    const proxy = await proxyOf(native(listen, [server], `accept: ${from}`, "workers: 3"));
    const load = await SteadyLoad.start({
      endpoint: at(port),
      pipelining: 4,
      idle: 30,
      halfway: 1,
    });
    for (const [accept, workers] of [
      [to, 1],
      [from, 4],
      [to, 2],
    ]) {
      writeFileSync(
        proxy.configFile,
        native(listen, [server], `accept: ${accept}`, `workers: ${workers}`),
      );
      const { crew } = await mustRun<ReloadResult>(proxy, "reload");
      expect(crew).toMatchObject({ workers, moved: 36, left: 0, lost: 0 });
      // None waits in a queue that nobody accepts from.
      for (let count = 0; count < 20; count += 1) {
        const visitor = await RespClient.connect(at(port));
        expect(await visitor.ask("PING")).toBe("+PONG\r\n");
        visitor.close();
      }
    }
    await load.stop();
    expect(load.errors).toEqual([]);
  },
);

test("listeners, pid file, control socket and log file follow the file", async () => {
  const server = await redis();
  const [port, statsPort] = [freePort(), freePort()];
  const listen = `127.0.0.1:${port}`;
  const proxy = await proxyOf(native([listen], [server], "workers: 1"), "-s", String(statsPort));
  const directory = dirname(proxy.configFile);
  const [socket, pidFile, log, control] = ["s", "pid", "log", "control"].map((name) =>
    join(directory, name),
  );
  writeFileSync(
    proxy.configFile,
    native(
      [listen, `${socket} 0600`],
      [server],
      "workers: 1",
      `pid_file: ${pidFile}`,
      `control: ${control}`,
      `log: { file: ${log} }`,
    ),
  );
  await mustRun(proxy, "reload");
  expect(readFileSync(pidFile!, "utf8")).toBe(`${proxy.pid}\n`);
  expect(statSync(socket!).mode & 0o777).toBe(0o600);
  expect(statSync(control!).mode & 0o777).toBe(0o600);
  const asker = await client({ socketPath: socket! });
  expect(await asker.ask("PING")).toBe("+PONG\r\n");
  expect((await runCommand(["status", "--control", control!])).code).toBe(0);
  expect(readFileSync(log!, "utf8")).toContain("reload done");
  // And back again; the unix socket's clients have no pool any more.
  writeFileSync(proxy.configFile, native([listen], [server], "workers: 1"));
  const { code } = await runCommand(["reload", "--control", control!]);
  expect(code).toBe(0);
  for (const path of [socket, pidFile, control]) expect(existsSync(path!)).toBe(false);
  await until("its clients are gone", () => asker.isClosed);
  expect((await statusOf(proxy)).listen).toEqual([`pool0=${listen}`, `stats=0.0.0.0:${statsPort}`]);
});

test("WINCH drains the workers; who comes then waits, and HUP brings new ones", async () => {
  const server = await redis();
  const port = freePort();
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [server], "workers: 2"));
  const idle = await client(at(port));
  await idle.ask("PING");
  process.kill(proxy.pid, "SIGWINCH");
  await until("the workers are gone", () => proxy.workerPids().length === 0);
  await until("idle clients are let go", () => idle.isClosed);
  expect((await statusOf(proxy)).phase).toBe("paused");
  const waiting = await client(at(port));
  const answer = waiting.ask("PING");
  process.kill(proxy.pid, "SIGHUP");
  expect(await answer).toBe("+PONG\r\n");
  // The first worker answers before the last one is ready.
  while ((await statusOf(proxy)).phase !== "serving") await Bun.sleep(5);
});

test("stop ends it, also while clients are there, and says so when nobody is", async () => {
  const server = await redis();
  const port = freePort();
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [server], "workers: 1"));
  const { output, code } = await commandOf(proxy, "stop", "--drain", "--timeout", "5s");
  expect([code, output]).toEqual([0, "stopped\n"]);
  expect(await proxy.exited).toBe(0);
  const gone = await commandOf(proxy, "status");
  expect(gone.code).toBe(3);
  expect(gone.errors).toContain(`no proxy is running with ${proxy.configFile}`);
  expect(gone.errors).toContain(`start it with: proxy run -c ${proxy.configFile}`);
  expect((await commandOf(proxy, "stop", "--timeout", "5s")).code).toBe(2);
});

test("of two orders to drain the one that ends first holds, whichever came first", async () => {
  const server = await redis();
  const port = freePort();
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [server], "workers: 1"));
  const waiting = await client(at(port));
  void waiting.ask("BLPOP", "nokey", "0").catch(() => {});
  const other = await client(at(server.port));
  while (!(await other.ask("INFO", "clients")).includes("blocked_clients:1")) await Bun.sleep(5);
  const first = commandOf(proxy, "stop", "--drain", "--timeout", "300s");
  while ((await statusOf(proxy)).phase !== "draining") await Bun.sleep(5);
  const second = await commandOf(proxy, "stop", "--drain", "--timeout", "100ms");
  expect([second.code, second.output]).toEqual([0, "stopped\n"]);
  expect((await first).code).toBe(0);
  expect(await proxy.exited).toBe(0);
  expect(proxy.stderr()).not.toContain("killed");
});

test("status says since when the proxy is in its state, also after an upgrade", async () => {
  const server = await redis();
  const proxy = await proxyOf(native([`127.0.0.1:${freePort()}`], [server], "workers: 1"));
  const { phaseSinceMs: servingSinceMs = Number.NaN, startedAtMs } = await statusOf(proxy);
  expect(servingSinceMs).toBeGreaterThan(startedAtMs);
  await mustRun(proxy, "upgrade");
  expect((await statusOf(proxy)).phaseSinceMs).toBe(servingSinceMs);
  process.kill(proxy.pid, "SIGWINCH");
  while ((await statusOf(proxy)).phase !== "paused") await Bun.sleep(5);
  expect((await statusOf(proxy)).phaseSinceMs).toBeGreaterThan(servingSinceMs);
  const { output } = await commandOf(proxy, "status");
  expect(output).toMatch(/^pid +\d+, started \d+s ago$/m);
  expect(output).toMatch(/^state +paused for \d+s$/m);
});

test("status answers while the proxy drains, and names no socket that is closed", async () => {
  const server = await redis();
  const port = freePort();
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [server], "workers: 1"));
  const waiting = await client(at(port));
  const answer = waiting.ask("BLPOP", "nokey", "60");
  const other = await client(at(server.port));
  while (!(await other.ask("INFO", "clients")).includes("blocked_clients:1")) await Bun.sleep(5);
  process.kill(proxy.pid, "SIGQUIT");
  while ((await statusOf(proxy)).phase !== "draining") await Bun.sleep(5);
  expect((await statusOf(proxy)).listen).toEqual([]);
  await other.ask("RPUSH", "nokey", "x");
  expect(await answer).toContain("nokey");
  expect(await proxy.exited).toBe(0);
});

test("a proxy that is started twice from one file says that it runs, which it is, and what to do", async () => {
  const server = await redis();
  const proxy = await proxyOf(native([`127.0.0.1:${freePort()}`], [server], "workers: 1"));
  const { code, errors } = await runCommand(["run", "-c", proxy.configFile]);
  expect(code).toBe(1);
  expect(errors).toMatch(
    new RegExp(
      `^proxy: a proxy runs already with this configuration, pid ${proxy.pid}; "proxy reload" .*"proxy stop" ends it$`,
      "m",
    ),
  );
});

test("a proxy whose supervisor was killed is restarted at once, on the same sockets", async () => {
  const server = await redis();
  const port = freePort();
  const directory = dirname(
    (await proxyOf(native([`127.0.0.1:${freePort()}`], [server]))).configFile,
  );
  const [socket, control] = [join(directory, "s"), join(directory, "control")];
  const config = native(
    [`127.0.0.1:${port}`, socket],
    [server],
    "workers: 1",
    `control: ${control}`,
  );
  const first = await proxyOf(config);
  const workers = first.workerPids();
  process.kill(first.pid, "SIGKILL");
  await first.exited;
  await until("its workers left", () => workers.every((pid) => !existsSync(`/proc/${pid}`)));
  const second = await proxyOf(config);
  expect(await (await client({ socketPath: socket })).ask("PING")).toBe("+PONG\r\n");
  expect((await statusOf(second)).pid).toBe(second.pid);
});

test.each([true, false])("rebalance: %p", async (isOn) => {
  const server = await redis();
  const port = freePort();
  const lines = ["workers: 2", `rebalance: ${isOn}`];
  const proxy = await proxyOf(native([`127.0.0.1:${port}`], [server], ...lines));
  const load = await SteadyLoad.start({ endpoint: at(port), pipelining: 2, idle: 60, halfway: 1 });
  const spread = async (): Promise<number> => {
    const workers = (await statusOf(proxy)).processes.filter(({ role }) => role === "worker");
    const clients = workers.map((worker) => worker.clients);
    return Math.max(...clients) - Math.min(...clients);
  };
  // A worker that is replaced starts empty, and nobody comes anew: the other keeps what it has.
  const [victim = Number.NaN] = proxy.workerPids();
  process.kill(victim, "SIGKILL");
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(victim),
  );
  if (isOn) while ((await spread()) > 4) await Bun.sleep(100);
  else {
    // Several looks later, nothing has moved.
    await Bun.sleep(4_000);
    expect(await spread()).toBeGreaterThan(10);
  }
  // Those of the worker that was killed broke with it; nobody else did.
  const broken = load.errors.length;
  await load.stop();
  const idleBroken = load.errors.filter((error) => !error.includes("closed"));
  expect(idleBroken).toEqual([]);
  expect(broken).toBeLessThanOrEqual(2);
});
