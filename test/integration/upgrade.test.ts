/** `proxy upgrade`: another executable takes over in place, with every connection; what cannot, changes nothing. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Socket } from "bun";
import type { CrewResult } from "../../src/api/control-socket.ts";
import { isAlive, until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import {
  type ProxyProcess,
  proxyCommand,
  redisPool,
  startProxy,
} from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, runCommand, statusOf } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { SteadyLoad } from "../support/steady-load.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(60_000);

interface UpgradeResult {
  readonly crew: CrewResult;
  readonly warning: string | null;
}

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly directory: string;
}

async function start(...args: string[]): Promise<Rig> {
  const servers = [await startRedis(), await startRedis()];
  for (const server of servers) stops.push(() => server.stop());
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers }),
    args: ["--workers", "2", ...args],
  });
  stops.push(() => proxy.stop());
  return { proxy, port, directory: dirname(proxy.configFile) };
}

async function clientOf({ port }: Rig): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(async () => client.close());
  return client;
}

/** An executable that is this very proxy, unless its first argument is one of `cases`: then it runs that shell text. */
function variant(directory: string, name: string, cases: Record<string, string> = {}): string {
  const path = join(directory, name);
  const branches = Object.entries(cases).map(([role, script]) => `${role}) ${script} ;;`);
  const command = proxyCommand()
    .map((word) => `'${word}'`)
    .join(" ");
  const lines = [
    "#!/bin/bash",
    'case "$1" in',
    ...branches,
    "esac",
    `exec -a proxy ${command} "$@"`,
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  chmodSync(path, 0o755);
  return path;
}

test("twenty upgrades in a row under load: nobody is refused, closed, or answered wrongly", async () => {
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
  for (let round = 1; round <= 20; round += 1) {
    const { crew, warning } = await mustRun<UpgradeResult>(proxy, "upgrade");
    expect(warning).toBe(null);
    expect(crew).toMatchObject({ crew: round + 1, workers: 2, moved: 560, left: 0, lost: 0 });
    const visitor = await RespClient.connect({ host: "127.0.0.1", port });
    expect(await visitor.ask("PING")).toBe("+PONG\r\n");
    visitor.close();
    if (round === 2) filesAtFirst = files();
  }
  // Nothing is left behind from one program to the next.
  expect(files()).toBeLessThanOrEqual(filesAtFirst + 2);
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
  const [victim = 0] = proxy.workerPids();
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
  const [victim = 0] = proxy.workerPids();
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

test("a worker that is replaced after the file was changed is still of the same program", async () => {
  const { proxy, directory } = await start();
  const other = variant(directory, "proxy-2");
  await mustRun(proxy, "upgrade", other);
  writeFileSync(other, "no program any more\n");
  const [victim = 0] = proxy.workerPids();
  process.kill(victim, "SIGKILL");
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(victim),
  );
});

/** An ELF header of this length, and of a machine that this one is not. */
function foreignProgram(): Buffer {
  const head = Buffer.alloc(4096);
  head.write("\x7fELF\x02\x01\x01", "latin1");
  head.writeUInt16LE(process.arch === "x64" ? 183 : 62, 18);
  return head;
}

test("what is no better proxy is refused with the reason, and traffic notices nothing", async () => {
  const rig = await start();
  const { proxy, port, directory } = rig;
  const workers = proxy.workerPids().sort();
  const load = await SteadyLoad.start({
    endpoint: { host: "127.0.0.1", port },
    pipelining: 5,
    idle: 20,
    halfway: 1,
  });
  const file = (name: string, content: string | Buffer): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o755 });
    return path;
  };
  const about = JSON.stringify({
    name: "proxy",
    version: "9",
    commit: "x",
    controlProtocol: 99,
    parcelFormats: [1],
    stateFormats: [1],
  });
  const problems = `{"problems":["proxy.yaml:1:1: no longer known"]}`;
  const cases: (readonly [path: string, reason: string])[] = [
    [file("text", "hello\n"), "is not an executable of this machine"],
    [file("foreign", foreignProgram()), "it is for "],
    [file("short", "\x7fELF"), "is cut short"],
    [join(directory, "missing"), "does not exist"],
    [directory, "is a directory"],
    ["/bin/true", "exits at once with exit code 0"],
    ["/bin/echo", "is not proxy"],
    [variant(directory, "exits", { __about: "exit 7" }), "exits at once with exit code 7"],
    [
      variant(directory, "alien", { __about: `echo '${about}'; exit` }),
      "speak another protocol (99",
    ],
    [variant(directory, "picky", { __config: `echo '${problems}'; exit` }), "no longer known"],
    [variant(directory, "mute", { __config: "exit 1" }), "cannot read the configuration"],
    [
      variant(directory, "crashes", { __worker: "exit 3" }),
      "died 5 times in a row right after its start",
    ],
  ];
  for (const [path, reason] of cases) {
    const { code, errors } = await commandOf(proxy, "upgrade", path);
    expect(errors).toContain(reason);
    expect(code).toBe(1);
    expect(proxy.workerPids().sort()).toEqual(workers);
  }
  await load.stop();
  expect(load.errors).toEqual([]);
  const { lastChange, processes } = await statusOf(proxy);
  expect(lastChange).toMatchObject({ what: "upgrade", ok: false });
  expect(processes.map(({ crew }) => crew)).toEqual([1, 1, 1]);
});

test("workers that never become ready are given up, and the old ones serve on", async () => {
  const rig = await start();
  const { proxy, directory } = rig;
  const client = await clientOf(rig);
  const workers = proxy.workerPids().sort();
  const sleepy = variant(directory, "sleepy", { __worker: "exec sleep 120" });
  const { code, errors } = await commandOf(proxy, "upgrade", sleepy);
  expect(errors).toContain("was not ready within 15000 ms");
  expect(code).toBe(1);
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  await until("they are gone", () => proxy.workerPids().length === workers.length);
  expect(proxy.workerPids().sort()).toEqual(workers);
});

test("a supervisor that cannot be replaced goes on with the new workers, and says so", async () => {
  const rig = await start();
  const { proxy, directory } = rig;
  const client = await clientOf(rig);
  const other = variant(directory, "forgetful", {
    __rehearse: 'echo "it has no memory" >&2; exit 1',
  });
  const { code, errors } = await commandOf(proxy, "upgrade", other);
  expect(code).toBe(1);
  expect(errors).toContain("the workers are ");
  expect(errors).toContain("it has no memory");
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  const [victim = 0] = proxy.workerPids();
  process.kill(victim, "SIGKILL");
  await until(
    "it is replaced",
    () => proxy.workerPids().length === 2 && !proxy.workerPids().includes(victim),
  );
  await mustRun(proxy, "upgrade", variant(directory, "better"));
  expect((await statusOf(proxy)).crew).toBe(3);
});

test("one change at a time", async () => {
  const { proxy, directory } = await start();
  const slow = variant(directory, "slow", { __about: "sleep 2" });
  const first = commandOf(proxy, "upgrade", slow);
  await until("it has begun", () => existsSync(`/proc/${proxy.pid}`));
  while ((await statusOf(proxy)).activity === null) {}
  const { code, errors } = await commandOf(proxy, "reload");
  expect(errors).toContain("busy: an upgrade is going on");
  expect(code).toBe(1);
  expect((await first).code).toBe(0);
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

test("a client whose reply takes longer than the upgrade moves afterwards, from the old crew to the new", async () => {
  const asked: Socket[] = [];
  // Answers when it is told to.
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void asked.push(socket) },
  });
  stops.push(async () => server.stop(true));
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
  asked[0]!.write("+at last\r\n");
  expect(await answer).toBe("+at last\r\n");
  await until("the old worker is gone", () => proxy.workerPids().length === 2);
  expect((await statusOf(proxy)).clients).toBe(1);
  expect(await client.ask("PING")).toBe("+PONG\r\n");
});

test("a daemon keeps its process number, its pid file and its silence", async () => {
  const servers = [await startRedis()];
  for (const server of servers) stops.push(() => server.stop());
  const directory = makeDirectory("daemon");
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
