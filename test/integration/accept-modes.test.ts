/** How workers come by their clients, with the real data plane: everybody is served, also while processes die. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { birthOf } from "../support/birth-of.ts";
import { childrenOf, cleanUp, makeDirectory, until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import type { Endpoint } from "../support/server-process.ts";
import { stopProcess } from "../support/stop-process.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

const MODES = ["reuseport", "shared", "mutex", "dispatch"] as const;
const WORKERS = 3;

let server: RedisServer;
let proxy: ProxyProcess;
let tcp: Endpoint;
let unix: Endpoint;
let clients: RespClient[] = [];

beforeEach(async () => {
  server = await startRedis();
});

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy.stop();
  await server.stop();
  await cleanUp();
});

async function start(mode: string): Promise<void> {
  const port = freePort();
  const path = join(makeDirectory(), "s");
  tcp = { host: "127.0.0.1", port };
  unix = { socketPath: path };
  const servers = `servers: ["${server.host}:${server.port}:1"]`;
  proxy = await startProxy({
    config: `log: { level: debug }\nworkers: ${WORKERS}\npools:\n  tcp:\n    listen: 127.0.0.1:${port}\n    ${servers}\n  unix:\n    listen: ${path}\n    ${servers}\n`,
    args: ["--accept", mode],
  });
  await until("all workers listen", () => proxy.stderr().includes(" supervisor ready "));
}

async function connect(endpoint: Endpoint): Promise<RespClient> {
  const client = await RespClient.connect(endpoint);
  clients.push(client);
  return client;
}

/** The number of its worker's birth. */
async function workerOf(client: RespClient): Promise<number> {
  const reply = await client.ask("CLIENT", "ID");
  return birthOf(Number(reply.substring(1)));
}

async function connectMany(endpoint: Endpoint, count: number): Promise<Map<number, number>> {
  const opened = await Promise.all(Array.from({ length: count }, () => connect(endpoint)));
  const spread = new Map<number, number>();
  for (const worker of await Promise.all(opened.map(workerOf))) {
    spread.set(worker, (spread.get(worker) ?? 0) + 1);
  }
  return spread;
}

/** NaN, which nobody can kill, when there is none. */
function processNamed(name: string): number {
  return childrenOf(proxy.pid).find((child) => child.name === name)?.pid ?? Number.NaN;
}

describe.each(MODES)("%s", (mode) => {
  test("clients of TCP and unix sockets are served, and reach their servers", async () => {
    await start(mode);
    for (const endpoint of [tcp, unix]) {
      await connectMany(endpoint, 20);
      const client = await connect(endpoint);
      expect(await client.ask("SET", "key", "value")).toBe("+OK\r\n");
      expect(await client.ask("GET", "key")).toBe("$5\r\nvalue\r\n");
    }
  });

  test("who connects while workers are killed is served by the next ones", async () => {
    await start(mode);
    let isOver = false;
    let served = 0;
    const visitors = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        // A refused connection rejects, and fails the test.
        const client = await RespClient.connect(tcp);
        const reply = await client.ask("PING").catch((error: Error) => error.message);
        // Accepted by the worker that died: nobody can save that one.
        expect(reply).toMatch(/^(\+PONG\r\n$|closed before a reply)/);
        if (reply.startsWith("+PONG")) served += 1;
        client.close();
      }
    });
    for (let round = 0; round < 4; round++) {
      const before = served;
      await until("some are served", () => served > before + 20);
      const victim = processNamed(`proxy worker ${round % WORKERS}`);
      process.kill(victim, round % 2 === 0 ? "SIGKILL" : "SIGTERM");
      await until("it is replaced", () => {
        const replies = proxy.stderr().match(/worker is ready child=worker/g) ?? [];
        return replies.length === WORKERS + round + 1;
      });
    }
    isOver = true;
    await Promise.all(visitors);
  });
});

test("mutex: one worker listens at a time, clients are shared, and a killed holder is followed by another", async () => {
  await start("mutex");
  const spread = await connectMany(tcp, 60);
  expect([...spread.keys()].sort()).toEqual([0, 1, 2]);
  const listeners = (): number[] => proxy.workerPids().filter(isListening);
  await until("exactly one listens", () => listeners().length === 1);
  const [holder = Number.NaN] = listeners();
  process.kill(holder, "SIGKILL");
  await until("another one listens", () => listeners().some((pid) => pid !== holder));
  const late = await connect(unix);
  expect(await late.ask("PING")).toBe("+PONG\r\n");
});

test("dispatch: every worker gets its exact share, over all sockets", async () => {
  await start("dispatch");
  const first = await connectMany(tcp, 31);
  const second = await connectMany(unix, 29);
  for (const worker of [0, 1, 2]) {
    const count = (first.get(worker) ?? 0) + (second.get(worker) ?? 0);
    // One more or less: a gauge may be read between two connections.
    expect(Math.abs(count - 20)).toBeLessThanOrEqual(2);
  }
});

test("dispatch: a connection given to a worker that dies is served by its successor", async () => {
  await start("dispatch");
  const workers = proxy.workerPids();
  for (const pid of workers) await stopProcess(pid);
  const waiting = await Promise.all(Array.from({ length: 12 }, () => connect(tcp)));
  const replies = waiting.map((client) => client.ask("PING"));
  for (const pid of workers) process.kill(pid, "SIGKILL");
  expect(await Promise.all(replies)).toEqual(waiting.map(() => "+PONG\r\n"));
});

test("dispatch: a killed acceptor is replaced, and nobody is refused meanwhile", async () => {
  await start("dispatch");
  let acceptor = Number.NaN;
  for (let round = 1; round <= 3; round++) {
    const killed = acceptor;
    await until("another one runs", () => {
      acceptor = processNamed("proxy acceptor");
      return acceptor > 0 && acceptor !== killed;
    });
    const settled = await connect(tcp);
    expect(await settled.ask("PING")).toBe("+PONG\r\n");
    process.kill(acceptor, "SIGKILL");
    const next = await connect(tcp);
    expect(await next.ask("PING")).toBe("+PONG\r\n");
    expect(await settled.ask("PING")).toBe("+PONG\r\n");
  }
});

/** Whether the worker listens now: then it has descriptors of its own of the sockets, beside those that the supervisor has given it. */
function isListening(pid: number): boolean {
  const inodes = new Set(listeningInodes());
  const held = socketsOf(pid).filter((inode) => inodes.has(inode));
  return held.length > new Set(held).size;
}

/** The TCP socket's and the unix socket's; state 0A and flag 00010000 mean that they listen. */
function listeningInodes(): number[] {
  const port = "port" in tcp ? tcp.port.toString(16).toUpperCase().padStart(4, "0") : "";
  const path = "socketPath" in unix ? unix.socketPath : "";
  const fields = (file: string): string[][] =>
    read(file)
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
  return [
    ...fields("/proc/net/tcp")
      .filter((f) => f[1]?.endsWith(`:${port}`) && f[3] === "0A")
      .map((f) => Number(f[9])),
    ...fields("/proc/net/unix")
      .filter((f) => f[7] === path && f[3] === "00010000")
      .map((f) => Number(f[6])),
  ];
}

/** The inodes of its sockets, one for each descriptor. */
function socketsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => socketAt(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

/** NaN: it is no socket, or was closed meanwhile. */
function socketAt(link: string): number {
  try {
    return Number(/^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1]);
  } catch {
    return Number.NaN;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
