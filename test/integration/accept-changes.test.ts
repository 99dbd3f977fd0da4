/** Accept modes, service manager and user, while the proxy is reloaded and upgraded: the change of generation keeps them all. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { GenerationResult } from "../../src/api/control-socket.ts";
import { findUser } from "../../src/os/identity.ts";
import { childrenOf, until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { SteadyLoad } from "../support/steady-load.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

interface ChangeResult {
  readonly crew: GenerationResult;
  readonly warning?: string | null;
}

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly path: string;
  /** Writes the file anew. */
  write(lines: readonly string[]): void;
}

async function start(lines: readonly string[]): Promise<Rig> {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const directory = makeDirectory("sockets");
  stops.push(async () => rmSync(directory, { recursive: true }));
  const path = join(directory, "s");
  const pool = (listen: string): string =>
    `    listen: ${listen}\n    servers: ["${server.host}:${server.port}:1"]\n`;
  const text = (top: readonly string[]): string =>
    `${top.join("\n")}\npools:\n  tcp:\n${pool(`127.0.0.1:${port}`)}  unix:\n${pool(path)}`;
  const proxy = await startProxy({ config: text(lines) });
  stops.push(() => proxy.stop());
  return { proxy, port, path, write: (top) => writeFileSync(proxy.configFile, text(top)) };
}

/** Clients that come and go without a pause, on both sockets. */
class Visitors {
  served = 0;
  readonly errors: string[] = [];
  #isOver = false;
  readonly #running: Promise<void>[];

  constructor({ port, path }: Rig) {
    const endpoints = [{ host: "127.0.0.1", port }, { socketPath: path }];
    this.#running = [...endpoints, ...endpoints].map(async (endpoint) => {
      while (!this.#isOver) {
        try {
          const client = await RespClient.connect(endpoint);
          const reply = await client.ask("PING");
          client.close();
          if (reply !== "+PONG\r\n") this.errors.push(reply);
          this.served += 1;
        } catch (error) {
          this.errors.push((error as Error).message);
        }
      }
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }
}

function openFiles(pid: number): number {
  return [...new Bun.Glob("*").scanSync({ cwd: `/proc/${pid}/fd`, onlyFiles: false })].length;
}

function acceptorOf(pid: number): number {
  return childrenOf(pid).find(({ name }) => name === "proxy acceptor")?.pid ?? 0;
}

test("from every accept mode to every other, under load: nobody is refused, closed, or answered wrongly", async () => {
  const modes = ["dispatch", "dispatch", "mutex", "mutex", "dispatch", "reuseport", "mutex"];
  const rest = ["shared", "mutex", "reuseport", "dispatch", "shared", "dispatch", "reuseport"];
  const rig = await start(["accept: reuseport", "workers: 2", "rebalance: false"]);
  const { proxy, port } = rig;
  const load = await SteadyLoad.start({
    endpoint: { host: "127.0.0.1", port },
    pipelining: 10,
    idle: 50,
    halfway: 2,
  });
  const visitors = new Visitors(rig);
  for (const [round, mode] of [...modes, ...rest].entries()) {
    const servedBefore = visitors.served;
    rig.write([`accept: ${mode}`, `workers: ${2 + (round % 2)}`, "rebalance: false"]);
    const { crew } = await mustRun<ChangeResult>(proxy, "reload");
    expect(crew).toMatchObject({ crew: round + 2, workers: 2 + (round % 2), lost: 0 });
    expect(crew.moved).toBeGreaterThanOrEqual(64);
    const { processes } = await statusOf(proxy);
    expect(processes.filter(({ role }) => role === "acceptor").length).toBe(
      mode === "dispatch" ? 1 : 0,
    );
    await until("visitors are served", () => visitors.served > servedBefore + 20);
  }
  await visitors.stop();
  await load.stop();
  expect(visitors.errors).toEqual([]);
  expect(load.errors).toEqual([]);
});

test.each(["mutex", "dispatch"])(
  "%s: upgrades in a row, and everything works after them",
  async (mode) => {
    const rig = await start([`accept: ${mode}`, "workers: 2", "rebalance: false"]);
    const { proxy, port } = rig;
    const load = await SteadyLoad.start({
      endpoint: { host: "127.0.0.1", port },
      pipelining: 10,
      idle: 50,
      halfway: 2,
    });
    const visitors = new Visitors(rig);
    let filesAtFirst = 0;
    for (let round = 1; round <= 5; round += 1) {
      const { crew, warning } = await mustRun<ChangeResult>(proxy, "upgrade");
      expect(warning).toBe(null);
      expect(crew).toMatchObject({ crew: round + 1, workers: 2, lost: 0 });
      if (round === 2) filesAtFirst = openFiles(proxy.pid);
    }
    await until("no more files are open", () => openFiles(proxy.pid) <= filesAtFirst + 2);
    // Whoever dies is replaced, on the sockets that the first program opened.
    const traffic = () => childrenOf(proxy.pid).filter(({ name }) => !name.includes("admin"));
    const count = mode === "dispatch" ? 3 : 2;
    await until("the old generation is gone", () => traffic().length === count);
    const killed = traffic();
    await load.stop();
    await visitors.stop();
    expect(visitors.errors).toEqual([]);
    expect(load.errors).toEqual([]);
    for (const { pid } of killed) process.kill(pid, "SIGKILL");
    const late = await RespClient.connect({ host: "127.0.0.1", port });
    expect(await late.ask("PING")).toBe("+PONG\r\n");
    late.close();
    if (mode === "dispatch") {
      const isNew = (pid: number): boolean => pid > 0 && !killed.some((each) => each.pid === pid);
      await until("the acceptor is replaced", () => isNew(acceptorOf(proxy.pid)));
    }
  },
);

test("dispatch: WINCH lets the acceptor leave, too; who comes then waits for the next generation", async () => {
  const rig = await start(["accept: dispatch", "workers: 2"]);
  const { proxy, port } = rig;
  process.kill(proxy.pid, "SIGWINCH");
  await until("all but the admin process have left", () => childrenOf(proxy.pid).length === 1);
  const waiting = await RespClient.connect({ host: "127.0.0.1", port });
  const answer = waiting.ask("PING");
  await mustRun<ChangeResult>(proxy, "reload");
  expect(await answer).toBe("+PONG\r\n");
  waiting.close();
});

/** "" when the process has gone. */
function uidOf(pid: number): string {
  try {
    return /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "";
  } catch {
    return "";
  }
}

test("a reload changes whom the processes run as", async () => {
  if (process.geteuid?.() !== 0) return;
  const nobody = findUser("nobody")!;
  const rig = await start(["accept: dispatch", "workers: 2"]);
  const { proxy, path, port } = rig;
  // For the new workers, which must reach the log file and the socket as somebody else.
  chmodSync(dirname(proxy.configFile), 0o755);
  const log = join(dirname(proxy.configFile), "log");
  rig.write(["accept: dispatch", "workers: 2", "user: nobody", `log: { file: ${log} }`]);
  await mustRun<ChangeResult>(proxy, "reload");
  const uidsOf = (): string[] => childrenOf(proxy.pid).map(({ pid }) => uidOf(pid));
  const expected = Array.from({ length: 4 }, () => `${nobody.uid}`);
  await until(
    "the new generation is alone, as somebody else",
    () => uidsOf().join() === expected.join(),
  );
  expect(statSync(path).uid).toBe(nobody.uid);
  expect(statSync(log).uid).toBe(nobody.uid);
  // And the program that follows knows it.
  await mustRun<ChangeResult>(proxy, "upgrade");
  await until("the old generation is gone", () => uidsOf().length === 4);
  for (const { pid } of childrenOf(proxy.pid)) process.kill(pid, "SIGKILL");
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  client.close();
  await until("all are back", () => uidsOf().join() === expected.join());
  rig.write(["accept: dispatch", "workers: 2", "user: no-such-user"]);
  await expect(mustRun(proxy, "reload")).rejects.toThrow('user \\"no-such-user\\" does not exist');
});
