/** Which engine workers have, and that clients move from one to the other. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BlockingLoad } from "../support/blocking-load.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { SteadyNews } from "../support/steady-news.ts";
import { TransactionLoad } from "../support/transaction-load.ts";
import { stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

/** What a process takes differs by as much from one moment to the next. */
const MEMORY_SPREAD_KIB = 60 * 1024;
/** Upgrades and reloads that change the engine; the environment may ask for more. */
const CHANGES = Number(process.env["ENGINE_CHANGES"] ?? 4);
const WITHOUT_IO_URING = [
  process.execPath,
  join(import.meta.dir, "../support/without-io-uring.ts"),
];
/** No engine is asked for, as in most configurations. */
const UNSAID = "unsaid";
/** What may be forbidden, how that shows, and the engine that is asked for. */
const DENIALS: readonly (readonly [call: string, error: string, engine: string])[] = [
  ["setup", "EPERM", UNSAID],
  ["setup", "EPERM", "auto"],
  ["setup", "EPERM", "uring"],
  ["setup", "ENOSYS", UNSAID],
  ["register", "EPERM", UNSAID],
  ["enter", "EACCES", UNSAID],
];

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  config(engine: string): string;
}

async function start(engine: string, wrapper: readonly string[] = []): Promise<Rig> {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  // A server that has no processor for a second, because the machine is busy, is not away.
  const config = (name: string): string =>
    `${name === UNSAID ? "" : `engine: ${name}\n`}workers: 2\npools:\n  main:\n    listen: 127.0.0.1:${port}\n    connect_timeout: 30s\n    servers: ["${server.host}:${server.port}:1"]\n`;
  const proxy = await startProxy({ config: config(engine), wrapper });
  stops.push(() => proxy.stop());
  return { proxy, port, config };
}

async function enginesOf(proxy: ProxyProcess): Promise<string[]> {
  const { processes } = await statusOf(proxy);
  return processes
    .filter(({ role }) => role === "worker")
    .map(({ engine }) => `${engine?.name}: ${engine?.reason}`);
}

async function ask(port: number): Promise<string> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(async () => client.close());
  client.send("PING\r\n");
  return `${await client.reply()}`;
}

test("the engine that is configured runs, and status and log say so", async () => {
  const { proxy, port } = await start("uring");
  expect(await ask(port)).toBe("+PONG\r\n");
  expect(await enginesOf(proxy)).toEqual(Array(2).fill("uring: it is configured"));
  expect(proxy.stderr()).toContain("engine=uring");
});

test("without any configuration it is io_uring where that works, and says so", async () => {
  const { proxy, port } = await start(UNSAID);
  expect(await ask(port)).toBe("+PONG\r\n");
  expect(await enginesOf(proxy)).toEqual(Array(2).fill("uring: io_uring works here"));
  expect(proxy.stderr()).toContain('engine=uring reason="io_uring works here"');
});

test.each(DENIALS)(
  "where io_uring_%s fails with %s, engine %s serves by Bun's sockets, and says why",
  async (call, error, engine) => {
    const { proxy, port } = await start(engine, [...WITHOUT_IO_URING, call, error]);
    expect(await ask(port)).toBe("+PONG\r\n");
    const why = `io_uring cannot be used here: io_uring_${call}: `;
    for (const said of await enginesOf(proxy)) {
      expect(said).toStartWith(`bun: ${why}`);
      expect(said).toContain(error);
    }
    expect(proxy.stderr()).toContain(`engine=bun reason="${why}`);
    // A worker that takes a dead one's place chooses for itself.
    const [victim] = proxy.workerPids();
    process.kill(victim!, "SIGKILL");
    await until("its successor has chosen", () => proxy.stderr().split(" engine=bun ").length > 3);
    expect(await ask(port)).toBe("+PONG\r\n");
  },
);

test(
  "clients of all kinds move from one engine to the other and back, and nothing is lost, doubled or out of order",
  async () => {
    const { proxy, port, config } = await start("uring");
    const endpoint = { host: "127.0.0.1", port };
    const load = await SteadyLoad.start({ endpoint, pipelining: 4, idle: 10, halfway: 3 });
    const transactions = await TransactionLoad.start(endpoint, 6);
    const blocked = await BlockingLoad.start(endpoint, 8);
    const news = await SteadyNews.start(endpoint, [endpoint], 6);
    /** By change: descriptors of the supervisor, and its memory and its workers', in KiB. */
    const taken: { readonly descriptors: number; readonly kib: readonly number[] }[] = [];
    for (let change = 0; change < CHANGES; change++) {
      const before = [load.requests, transactions.done, blocked.popped, news.published];
      const next = change % 2 === 0 ? "bun" : "uring";
      writeFileSync(proxy.configFile, config(next));
      const verb = change % 4 < 2 ? "upgrade" : "reload";
      const { crew } = await mustRun<UpgradeResult>(proxy, verb);
      expect(crew).toMatchObject({ left: 0, lost: 0 });
      expect((await enginesOf(proxy))[0]).toStartWith(`${next}: `);
      const errorsNow = (): string[] =>
        [load, transactions, blocked, news].flatMap((each) => each.errors);
      let now = before;
      await until("all kinds of clients go on", () => {
        now = [load.requests, transactions.done, blocked.popped, news.published];
        return now.every((count, kind) => count > before[kind]!) || errorsNow().length > 0;
      }).catch((error: Error) => {
        throw new Error(`${error.message}: change ${change} from ${before} to ${now}`);
      });
      expect(errorsNow()).toEqual([]);
      const pids = [proxy.pid, ...proxy.workerPids()];
      taken.push({ descriptors: descriptorsOf(proxy.pid), kib: pids.map(residentKib) });
    }
    await Promise.all([load.stop(), transactions.stop(), blocked.stop(), news.stop()]);
    const errors = [load, transactions, blocked, news].flatMap((each) => each.errors);
    expect(errors).toEqual([]);
    // Old workers may be about to leave, and with them their lines.
    const most = Math.max(...taken.slice(0, 4).map(({ descriptors }) => descriptors));
    expect(taken.at(-1)!.descriptors).toBeLessThanOrEqual(most + 4);
    if (process.env["ENGINE_CHANGES"] !== undefined) console.log(JSON.stringify(taken));
    const total = (at: number): number => Math.max(...taken.at(at)!.kib);
    expect(total(-1)).toBeLessThan(
      Math.max(total(0), total(1), total(2), total(3)) + MEMORY_SPREAD_KIB,
    );
  },
  60_000 + CHANGES * 30_000,
);

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** 0: the process has gone. */
function residentKib(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
