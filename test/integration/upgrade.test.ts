/** `proxy upgrade`: another executable takes over in place, with every connection. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, until } from "../support/echo-proxy.ts";
import { type FakeConnection, startFakeServer } from "../support/fake-server.ts";
import { freePort } from "../support/free-port.ts";
import { moveRounds } from "../support/move-rounds.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, runCommand, statusOf } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import {
  clientOf,
  start,
  stopAll,
  stops,
  type UpgradeResult,
  variant,
} from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

test("upgrades in a row under load: nobody is refused, closed, or answered wrongly", async () => {
  const rig = await start();
  const { proxy, port } = rig;
  const load = await SteadyLoad.start({
    endpoint: { host: "127.0.0.1", port },
    pipelining: 50,
    idle: 500,
    halfway: 5,
  });
  const files = (): number =>
    [...new Bun.Glob("*").scanSync({ cwd: `/proc/${proxy.pid}/fd`, onlyFiles: false })].length;
  let filesAtFirst = 0;
  const rounds = moveRounds(20);
  for (let round = 1; round <= rounds; round += 1) {
    const { crew, warning } = await mustRun<UpgradeResult>(proxy, "upgrade");
    expect(warning).toBe(null);
    expect(crew).toMatchObject({ crew: round + 1, workers: 2, moved: 560, left: 0, lost: 0 });
    const visitor = await RespClient.connect({ host: "127.0.0.1", port });
    expect(await visitor.ask("PING")).toBe("+PONG\r\n");
    visitor.close();
    if (round === 2) filesAtFirst = files();
  }
  // The old generation may be just leaving.
  await until(
    "nothing is left behind from one program to the next",
    () => files() <= filesAtFirst + 2,
  );
  const status = await statusOf(proxy);
  expect(status.pid).toBe(proxy.pid);
  expect(status.processes.map(({ state, respawns }) => `${state} ${respawns}`)).toEqual([
    "serving 0",
    "serving 0",
    "serving 0",
  ]);
  await load.stop();
  expect(load.errors).toEqual([]);
}, 240_000);

test("after upgrades everything works as before: respawn, reload, log level, stop", async () => {
  const rig = await start();
  const { proxy } = rig;
  const client = await clientOf(rig);
  await mustRun(proxy, "upgrade");
  process.kill(proxy.pid, "SIGUSR2");
  await until(
    "the second upgrade",
    () => (proxy.stderr().match(/ready after an upgrade/g) ?? []).length === 2,
  );
  const [victim = Number.NaN] = proxy.workerPids();
  process.kill(victim, "SIGKILL");
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(victim),
  );
  const status = await statusOf(proxy);
  const dead = status.processes.find(({ respawns }) => respawns === 1);
  expect(dead?.lastDeath?.reason).toBe("was killed by SIGKILL");
  expect(status.crew).toBe(3);
  writeFileSync(
    proxy.configFile,
    readFileSync(proxy.configFile, "utf8").replace("redis: true", "redis: true\n  timeout: 5000"),
  );
  expect(await mustRun<UpgradeResult>(proxy, "reload")).toMatchObject({ crew: { crew: 4 } });
  process.kill(proxy.pid, "SIGTTIN");
  await until("more is logged", () => proxy.stderr().includes("log level changed level=debug"));
  if (!client.isClosed) expect(await client.ask("PING")).toBe("+PONG\r\n");
  const children = proxy.workerPids();
  process.kill(proxy.pid, "SIGTERM");
  expect(await proxy.exited).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
});

test("a worker that hangs after an upgrade is replaced, and status says why", async () => {
  const { proxy } = await start();
  await mustRun(proxy, "upgrade");
  const [victim = Number.NaN] = proxy.workerPids();
  process.kill(victim, "SIGSTOP");
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(victim),
  );
  const { processes } = await statusOf(proxy);
  expect(processes.find(({ respawns }) => respawns === 1)?.lastDeath?.reason).toStartWith("hung: ");
});

test("another executable, and back again", async () => {
  const rig = await start();
  const { proxy, directory } = rig;
  const client = await clientOf(rig);
  await client.ask("CLIENT", "SETNAME", "me");
  const other = variant(directory, "proxy-2");
  const { crew } = await mustRun<UpgradeResult>(proxy, "upgrade", other);
  expect(crew.moved).toBe(1);
  // From now on this is where the next one is expected.
  writeFileSync(`${other}.new`, "no program\n");
  chmodSync(`${other}.new`, 0o755);
  expect((await commandOf(proxy, "upgrade", `${other}.new`)).code).toBe(1);
  await mustRun(proxy, "upgrade");
  const back = variant(directory, "proxy-1");
  await mustRun(proxy, "upgrade", back);
  expect(await client.ask("CLIENT", "GETNAME")).toBe("$2\r\nme\r\n");
});

test("a small limit of open files does not keep the program from being replaced", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const listen = { host: "127.0.0.1", port: freePort() };
  const proxy = await startProxy({
    config: redisPool({ listen: `${listen.host}:${listen.port}`, servers: [server] }),
    args: ["--workers", "2"],
    wrapper: ["prlimit", "--nofile=256:256"],
  });
  stops.push(() => proxy.stop());
  const client = await RespClient.connect(listen);
  stops.push(async () => client.close());
  // Each opens the program anew, beside the one that runs.
  for (let round = 0; round < 3; round++) {
    const { crew, warning } = await mustRun<UpgradeResult>(proxy, "upgrade");
    expect([crew.moved, crew.lost, warning]).toEqual([1, 0, null]);
    expect(await client.ask("SET", "k", String(round))).toBe("+OK\r\n");
  }
});

test("a worker that is replaced after the file was changed is still of the same program", async () => {
  const { proxy, directory } = await start();
  const other = variant(directory, "proxy-2");
  await mustRun(proxy, "upgrade", other);
  writeFileSync(other, "no program any more\n");
  const [victim = Number.NaN] = proxy.workerPids();
  process.kill(victim, "SIGKILL");
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(victim),
  );
});

test("signals that come at any moment of an upgrade are never deadly", async () => {
  const rig = await start();
  const { proxy } = rig;
  const client = await clientOf(rig);
  let isOver = false;
  const storm = async (): Promise<void> => {
    while (!isOver) {
      for (const signal of ["SIGUSR1", "SIGTTIN", "SIGTTOU"] as const)
        process.kill(proxy.pid, signal);
      await Bun.sleep(1);
    }
  };
  const stormed = storm();
  for (let round = 0; round < 5; round += 1) await mustRun(proxy, "upgrade");
  isOver = true;
  await stormed;
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  expect((await statusOf(proxy)).pid).toBe(proxy.pid);
});

test("a new worker that is killed in the middle of a hand-over takes only its own clients along", async () => {
  const rig = await start();
  const { proxy } = rig;
  const clients = await Promise.all(Array.from({ length: 300 }, () => clientOf(rig)));
  for (const client of clients) await client.ask("PING");
  const old = new Set(proxy.workerPids());
  const upgraded = mustRun<UpgradeResult>(proxy, "upgrade");
  let killed = 0;
  // As soon as one of the new workers has clients: it is in the middle.
  while (killed === 0) {
    const { processes } = await statusOf(proxy);
    const fresh = processes.find(
      ({ crew, clients: count, pid }) => crew === 2 && count > 0 && pid !== null,
    );
    if (fresh?.pid != null && !old.has(fresh.pid)) {
      process.kill(fresh.pid, "SIGKILL");
      killed = fresh.pid;
    }
  }
  await upgraded;
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(killed),
  );
  let alive = 0;
  for (const client of clients) if (!client.isClosed) alive += 1;
  expect(alive).toBeGreaterThanOrEqual(100);
  for (const client of clients)
    if (!client.isClosed) expect(await client.ask("PING")).toBe("+PONG\r\n");
});

test("a client whose reply takes longer than the upgrade moves afterwards, from the old generation to the new", async () => {
  const asked: FakeConnection[] = [];
  // Answers when it is told to.
  const server = startFakeServer((_args, connection) => {
    asked.push(connection);
    return null;
  });
  stops.push(async () => server.stop());
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({
      listen: `127.0.0.1:${port}`,
      servers: [{ host: "127.0.0.1", port: server.port }],
      lines: ["timeout: 50000"],
    }),
    args: ["--workers", "2"],
  });
  stops.push(() => proxy.stop());
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(async () => client.close());
  const answer = client.ask("GET", "slow");
  await until("it was asked", () => asked.length === 1);
  const { crew, warning } = await mustRun<UpgradeResult>(proxy, "upgrade");
  expect(warning).toBe(null);
  expect(crew).toMatchObject({ moved: 0, left: 1, lost: 0 });
  const during = (await statusOf(proxy)).processes;
  expect(during.filter(({ state }) => state === "leaving")).toMatchObject([
    { crew: 1, clients: 1 },
  ]);
  asked[0]!.send("+at last\r\n");
  expect(await answer).toBe("+at last\r\n");
  await until("the old worker is gone", () => proxy.workerPids().length === 2);
  expect((await statusOf(proxy)).clients).toBe(1);
  expect(await client.ask("PING")).toBe("+PONG\r\n");
});

test("a daemon keeps its process number, its pid file and its silence", async () => {
  const servers = [await startRedis()];
  for (const server of servers) stops.push(() => server.stop());
  const directory = makeDirectory("daemon");
  stops.push(async () => rmSync(directory, { recursive: true }));
  const [configFile, pidFile, log] = ["proxy.yml", "pid", "log"].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  writeFileSync(configFile, redisPool({ listen: `127.0.0.1:${freePort()}`, servers }));
  const flags = [
    "-c",
    configFile,
    "-p",
    pidFile,
    "-o",
    log,
    "-a",
    "127.0.0.1",
    "-s",
    `${freePort()}`,
  ];
  const launched = await runCommand(["-d", ...flags, "--workers", "1"]);
  expect(launched.code).toBe(0);
  const pid = Number(readFileSync(pidFile, "utf8"));
  stops.push(async () => {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });
  await mustRun({ configFile }, "upgrade");
  expect((await statusOf({ configFile })).pid).toBe(pid);
  expect(readFileSync(pidFile, "utf8")).toBe(`${pid}\n`);
  // Its lock is still held.
  const second = await runCommand([...flags, "--workers", "1"]);
  expect(second.errors).toContain(`belongs to a proxy that is running with pid ${pid}`);
  expect((await commandOf({ configFile }, "stop")).code).toBe(0);
  await until("it is gone", () => !isAlive(pid));
  expect(existsSync(pidFile)).toBe(false);
});
