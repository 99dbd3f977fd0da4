/** kill -9 of one of several workers under load: only its own clients notice. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { birthOf } from "../support/birth-of.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

const WORKERS = 3;
const CLIENTS = 30;

let servers: RedisServer[] = [];
let proxy: ProxyProcess;
let port = 0;

beforeAll(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
  port = freePort();
  proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers }),
    args: ["--workers", String(WORKERS), "--reuseport"],
  });
});

afterAll(async () => {
  await proxy.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

interface Loaded {
  readonly worker: number;
  /** Resolves when told to stop, or when the connection breaks. */
  readonly outcome: Promise<"unharmed" | "broken">;
}

async function startLoad(name: string, stop: { requested: boolean }): Promise<Loaded> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  const id = Number((await client.ask("CLIENT", "ID")).substring(1));
  const run = async (): Promise<"unharmed" | "broken"> => {
    for (let round = 0; !stop.requested; round++) {
      const values = Array.from({ length: 10 }, (_, i) => `${name}:${round}:${i}`);
      try {
        client.command(...values.map((value) => ["SET", `${name}:${value}`, value] as const));
        client.command(...values.map((value) => ["GET", `${name}:${value}`] as const));
        for (const _ of values) expect(`${await client.reply()}`).toBe("+OK\r\n");
        for (const value of values) {
          expect(`${await client.reply()}`).toBe(`$${value.length}\r\n${value}\r\n`);
        }
      } catch (error) {
        if (client.isClosed) return "broken";
        throw error;
      }
    }
    client.close();
    return "unharmed";
  };
  return { worker: birthOf(id), outcome: run() };
}

test("only its own clients break, nobody is refused, and a successor takes its place", async () => {
  const stop = { requested: false };
  const loads = await Promise.all(
    Array.from({ length: CLIENTS }, (_, index) => startLoad(`c${index}`, stop)),
  );
  const births = new Set(loads.map(({ worker }) => worker));
  expect(births.size).toBeGreaterThan(1);
  const pids = proxy.workerPids();
  expect(pids).toHaveLength(WORKERS);

  // New clients all the while: each must be connected and answered.
  let newcomers = 0;
  let brokenNewcomers = 0;
  const arrivals = (async () => {
    while (!stop.requested) {
      const client = await RespClient.connect({ host: "127.0.0.1", port });
      try {
        expect(await client.ask("PING")).toBe("+PONG\r\n");
        newcomers++;
      } catch (error) {
        if (!client.isClosed) throw error;
        // The one that the victim had just accepted.
        brokenNewcomers++;
      }
      client.close();
    }
  })();

  const victim = pids[0]!;
  process.kill(victim, "SIGKILL");
  while (proxy.workerPids().length < WORKERS || proxy.workerPids().includes(victim)) {
    await Bun.sleep(2);
  }
  const before = newcomers;
  while (newcomers < before + 20) await Bun.sleep(2);
  stop.requested = true;
  await arrivals;
  expect(brokenNewcomers).toBeLessThanOrEqual(1);
  const outcomes = await Promise.all(
    loads.map(async ({ worker, outcome }) => ({ worker, outcome: await outcome })),
  );
  const broken = new Set(
    outcomes.filter(({ outcome }) => outcome === "broken").map(({ worker }) => worker),
  );
  // All clients of one worker, and no client of any other.
  expect(broken.size).toBeLessThanOrEqual(1);
  for (const { worker, outcome } of outcomes) {
    expect(outcome).toBe(broken.has(worker) ? "broken" : "unharmed");
  }
}, 120_000);
