/** Clients that together would hold far more than `client_memory`: those that hold most are closed, and the others are served. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf } from "../support/run-command.ts";

const MIB = 1024 * 1024;
const BUDGET_MIB = 64;
const VALUE_BYTES = 2 * MIB;
const WHOLE_BYTES = 12 * MIB;
/** Clients, and requests of each. Few replies are fetched for those that read nothing, but two for each are more than the budget. */
const GREEDY = 40;
const REQUESTS = 16;
/** A worker takes this beyond its clients: replies that arrive, and garbage that is not collected yet. */
const BEYOND_MIB = 250;

let server: RedisServer;
let proxy: ProxyProcess;
let endpoint: { host: string; port: number };

const residentMib = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) / 1024;

async function countersOf(): Promise<Record<string, number>> {
  const { output } = await commandOf(proxy, "status", "--json");
  return JSON.parse(output).status.pools[0].counters;
}

beforeAll(async () => {
  server = await startRedis();
  endpoint = { host: "127.0.0.1", port: freePort() };
  const pool = [
    `client_memory: ${BUDGET_MIB}mb`,
    "pools:",
    "  pool:",
    `    listen: ${endpoint.host}:${endpoint.port}`,
    "    timeout: none",
    "    connect_timeout: 1m",
    `    servers: [127.0.0.1:${server.port}:1]`,
  ];
  proxy = await startProxy({ config: `${pool.join("\n")}\n`, args: ["--workers", "1"] });
});

afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

test("of clients that do not read those that hold most are closed, and a client beside them is served", async () => {
  const polite = await RespClient.connect(endpoint, 60_000);
  await polite.ask("SET", "large", "v".repeat(VALUE_BYTES));
  await polite.ask("SET", "small", "v");
  const [worker = -1] = proxy.workerPids();
  const before = residentMib(worker);
  const greedy = await Promise.all(
    Array.from({ length: GREEDY }, () => RespClient.connect(endpoint, 60_000)),
  );
  for (const client of greedy) {
    client.pause();
    client.command(...Array.from({ length: REQUESTS }, () => ["GET", "large"]));
  }
  let peak = 0;
  // How much of the replies the kernel takes for clients that do not read is its own business.
  while ((await countersOf())["client_memory_cut"]! === 0) {
    expect(await polite.ask("GET", "small")).toBe("$1\r\nv\r\n");
    peak = Math.max(peak, residentMib(worker));
  }
  expect(peak - before).toBeLessThan(BUDGET_MIB + BEYOND_MIB);
  const pool = await countersOf();
  expect(pool["client_output_cut"]).toBe(0);
  expect(pool["client_bytes"]).toBeLessThanOrEqual(BUDGET_MIB * MIB);
  expect(proxy.stderr()).toContain("clients hold more memory than client_memory lets them");
  // The others get what they have asked for, once they read.
  for (const client of greedy) client.close();
  while ((await countersOf())["client_bytes"]! > 0) {
    expect(await polite.ask("GET", "small")).toBe("$1\r\nv\r\n");
  }
  polite.close();
}, 120_000);

test("requests that never become complete count, too", async () => {
  const before = (await countersOf())["client_memory_cut"]!;
  const polite = await RespClient.connect(endpoint, 60_000);
  const [worker = -1] = proxy.workerPids();
  const start = residentMib(worker);
  const greedy = await Promise.all(
    Array.from({ length: 16 }, () => RespClient.connect(endpoint, 60_000)),
  );
  const half = "v".repeat(6 * MIB);
  for (const client of greedy)
    client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${WHOLE_BYTES}\r\n${half}`);
  while ((await countersOf())["client_memory_cut"]! < before + 4) {
    expect(await polite.ask("GET", "small")).toBe("$1\r\nv\r\n");
    expect(residentMib(worker) - start).toBeLessThan(BUDGET_MIB + BEYOND_MIB);
  }
  for (const client of greedy) client.close();
  // What is given back is there for one who sends all of it.
  expect(await polite.ask("SET", "whole", "v".repeat(WHOLE_BYTES))).toBe("+OK\r\n");
  polite.close();
}, 120_000);

test("the limit is live: without it clients may have more than it let them", async () => {
  const cut = (await countersOf())["client_memory_cut"]!;
  const set = await commandOf(proxy, "config", "set", "client_memory", "none");
  expect([set.code, set.errors]).toEqual([0, ""]);
  // To one that reads nothing few replies are fetched, whatever the limit is.
  const clients = await Promise.all(
    Array.from({ length: 8 }, () => RespClient.connect(endpoint, 60_000)),
  );
  for (const client of clients) {
    client.pause();
    client.command(["GET", "whole"], ["GET", "whole"]);
  }
  // More than there was room for, unread and for longer than a moment.
  while ((await countersOf())["client_bytes"]! < WHOLE_BYTES + BUDGET_MIB * MIB) {}
  for (const client of clients) {
    client.resume();
    const replies = await client.replies(2);
    expect(replies.every(({ length }) => length > WHOLE_BYTES)).toBe(true);
    client.close();
  }
  expect((await countersOf())["client_memory_cut"]).toBe(cut);
}, 120_000);
