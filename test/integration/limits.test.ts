/** Clients are held to the limits of their pool: delayed, told, or closed; over all workers together, and through upgrades. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import type { ClientReport } from "../../src/api/inspection.ts";
import type { PoolFigures } from "../../src/api/stats.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { eventually } from "../support/identity-rig.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { commandOf, mustRun } from "../support/run-command.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
}

async function startPool(
  lines: readonly string[],
  { workers = 1, protocol = "redis" } = {},
): Promise<Rig> {
  const server = await (protocol === "memcache" ? startMemcached() : startRedis());
  stops.push(() => server.stop());
  const port = freePort();
  const config = [
    ...[`workers: ${workers}`, "accept: dispatch", "pools:", "  main:"],
    ...[`    listen: 127.0.0.1:${port}`, `    protocol: ${protocol}`],
    `    servers: [127.0.0.1:${server.port}:1]`,
    ...lines.map((line) => `    ${line}`),
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n") });
  stops.push(() => proxy.stop());
  return { proxy, port };
}

class Client {
  readonly socket: Socket;
  text = "";
  isClosed = false;

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.socket.on("error", () => {});
    this.socket.on("data", (bytes) => (this.text += bytes.toString("latin1")));
    this.socket.on("close", () => (this.isClosed = true));
    stops.push(async () => {
      this.socket.destroy();
    });
  }

  get lines(): readonly string[] {
    return this.text.split("\r\n").slice(0, -1);
  }

  /** Sends the request so many times, at once. */
  flood(request: string, times: number): void {
    this.socket.write(request.repeat(times));
  }

  async hears(lines: number): Promise<readonly string[]> {
    await until(`${lines} lines`, () => this.lines.length >= lines || this.isClosed);
    return this.lines;
  }
}

async function throttled({ proxy }: Rig): Promise<number> {
  const { pools } = await mustRun<{ readonly pools: readonly PoolFigures[] }>(proxy, "stats");
  return pools[0]!.counters.client_throttled;
}

async function states({ proxy }: Rig): Promise<string[]> {
  const { report } = await mustRun<{ readonly report: ClientReport }>(proxy, "clients");
  return report.rows.map(({ state }) => state).sort();
}

/** How many replies come in a second, of all clients together, while they have more to ask. */
async function rateOf(clients: readonly Client[], seconds: number): Promise<number> {
  const total = (): number => clients.reduce((sum, { text }) => sum + text.length, 0) / 7;
  // What was saved up is not the rate.
  const first = total();
  await until("what was saved up is used", () => total() > first + 400);
  const start = total();
  const startMs = performance.now();
  await until("time has passed", () => performance.now() - startMs > seconds * 1000);
  return ((total() - start) * 1000) / (performance.now() - startMs);
}

for (const mode of ["bucket", "window"]) {
  test(`who floods is delayed, gets every reply in order, and harms no one else (${mode})`, async () => {
    const rig = await startPool(["client_requests_per_second: 500", `throttle_mode: ${mode}`]);
    const flooder = new Client(rig.port);
    flooder.flood("INCR n\r\n", 1500);
    await flooder.hears(60);
    expect(await states(rig)).toEqual(["throttled"]);
    const polite = new Client(rig.port);
    for (let i = 1; i <= 5; i++) {
      polite.flood("PING\r\n", 1);
      expect((await polite.hears(i)).length).toBe(i);
    }
    // They came while the other one was still held back.
    expect(flooder.lines.length).toBeLessThan(1400);
    const lines = await flooder.hears(1500);
    expect(lines).toEqual(Array.from({ length: 1500 }, (_, i) => `:${i + 1}`));
    expect(await throttled(rig)).toBeGreaterThan(0);
    // In the end it is read again.
    flooder.flood("PING\r\n", 1);
    expect((await flooder.hears(1501)).at(-1)).toBe("+PONG");
  });
}

test("the rate is kept by one client, and by all clients of all workers together", async () => {
  const one = await startPool(["client_requests_per_second: 1000"]);
  const client = new Client(one.port);
  client.flood("PING\r\n", 20_000);
  const own = await rateOf([client], 2);
  expect(own).toBeGreaterThan(800);
  expect(own).toBeLessThan(1100);
  const two = await startPool(["pool_requests_per_second: 3000"], { workers: 2 });
  const clients = Array.from({ length: 6 }, () => new Client(two.port));
  for (const each of clients) each.flood("PING\r\n", 20_000);
  const all = await rateOf(clients, 3);
  expect(all).toBeGreaterThan(2500);
  expect(all).toBeLessThan(3300);
  // All of it for one of the workers, when the others have nothing to do.
  for (const each of clients.slice(1)) each.socket.destroy();
  await eventually("they are gone", async () => (await states(two)).length === 1);
  const [left] = clients;
  await rateOf([left!], 1);
  const alone = await rateOf([left!], 1);
  expect(alone).toBeGreaterThan(2400);
  expect(alone).toBeLessThan(3300);
});

test("clients of one address share its limit, in whichever worker they are", async () => {
  const rig = await startPool(["address_requests_per_second: 2000"], { workers: 2 });
  const clients = Array.from({ length: 5 }, () => new Client(rig.port));
  for (const each of clients) each.flood("PING\r\n", 20_000);
  const all = await rateOf(clients, 3);
  expect(all).toBeGreaterThan(1650);
  expect(all).toBeLessThan(2200);
  // And none of them is left out.
  for (const each of clients) expect(each.lines.length).toBeGreaterThan(100);
});

test("clients that are the same user share its limit, and others are not held to it", async () => {
  const allowed = 'allow_commands: ["ACL SETUSER"]';
  const rig = await startPool(["user_requests_per_second: 500", allowed], { workers: 2 });
  const admin = new Client(rig.port);
  admin.flood("ACL SETUSER alice on >secret ~* +@all\r\n", 1);
  expect(await admin.hears(1)).toEqual(["+OK"]);
  const clients = Array.from({ length: 4 }, () => new Client(rig.port));
  for (const client of clients) client.flood("AUTH alice secret\r\n", 1);
  for (const client of clients) expect(await client.hears(1)).toEqual(["+OK"]);
  for (const client of clients) client.flood("PING\r\n", 2000);
  const rate = await rateOf(clients, 2);
  // Within a tenth, but for a machine that is busy.
  expect(rate).toBeGreaterThan(350);
  expect(rate).toBeLessThan(550);
  const others = new Client(rig.port);
  others.flood("PING\r\n", 40);
  await others.hears(40);
  expect(clients.every(({ lines }) => lines.length < 2001)).toBe(true);
  // Who becomes another user is held to that one's limit from then on.
  clients[0]!.socket.destroy();
  others.flood("AUTH alice secret\r\nPING\r\n", 1);
  await others.hears(41);
  others.flood("PING\r\n", 500);
  await eventually("it is throttled, too", async () => {
    const now = await states(rig);
    return now.filter((state) => state === "throttled").length >= 4;
  });
});

test("requests over the limit get an error where the pool says so, each in its place", async () => {
  const rig = await startPool(["client_requests_per_second: 100", "throttle: error"]);
  const client = new Client(rig.port);
  client.flood("INCR n\r\n", 400);
  const lines = await client.hears(400);
  const passed = lines.filter((line) => line.startsWith(":"));
  expect(passed).toEqual(Array.from({ length: passed.length }, (_, i) => `:${i + 1}`));
  expect(passed.length).toBeGreaterThanOrEqual(10);
  expect(passed.length).toBeLessThan(300);
  expect(lines.filter((line) => line.startsWith("-THROTTLED ")).length).toBe(400 - passed.length);
  expect(await throttled(rig)).toBe(400 - passed.length);
  // There is room again when what was too much is over.
  await eventually("it is served again", async () => {
    const before = client.lines.length;
    client.flood("PING\r\n", 1);
    return (await client.hears(before + 1)).at(-1) === "+PONG";
  });
  const cache = await startPool(["client_requests_per_second: 10", "throttle: error"], {
    protocol: "memcache",
  });
  const other = new Client(cache.port);
  other.flood("get k\r\n", 50);
  const words = await other.hears(50);
  expect(words.filter((line) => line.startsWith("SERVER_ERROR THROTTLED")).length).toBeGreaterThan(
    30,
  );
  expect(words[0]).toBe("END");
});

test("who is over the limit is closed where the pool says so, with what it is owed", async () => {
  const rig = await startPool(["client_requests_per_second: 50", "throttle: close"]);
  const client = new Client(rig.port);
  client.flood("INCR n\r\n", 300);
  await until("it is closed", () => client.isClosed);
  expect(client.lines.length).toBeGreaterThan(0);
  expect(client.lines).toEqual(Array.from({ length: client.lines.length }, (_, i) => `:${i + 1}`));
  expect(rig.proxy.stderr()).toContain("a client is over a limit of the pool, and is closed");
});

test("bytes are limited in any protocol", async () => {
  const rig = await startPool(["client_bytes_per_second: 200kb"], { protocol: "tcp" });
  const client = new Client(rig.port);
  const startMs = performance.now();
  client.flood(`ECHO ${"x".repeat(990)}\r\n`, 600);
  const lines = await client.hears(1200);
  expect(lines.length).toBe(1200);
  // 600 kB, of which the first piece is free.
  expect(performance.now() - startMs).toBeGreaterThan(1500);
  expect(await throttled(rig)).toBeGreaterThan(0);
});

test("limits change while clients are delayed, and end", async () => {
  const rig = await startPool(["client_requests_per_second: 10"]);
  const client = new Client(rig.port);
  client.flood("PING\r\n", 5000);
  await client.hears(3);
  const set = async (value: string): Promise<void> => {
    const { code, errors } = await commandOf(
      rig.proxy,
      ...(["config", "set", "main.client_requests_per_second", value] as const),
    );
    expect([code, errors]).toEqual([0, ""]);
  };
  await set("1000");
  const rate = await rateOf([client], 1);
  expect(rate).toBeGreaterThan(600);
  expect(client.lines.length).toBeLessThan(5000);
  await set("0");
  expect((await client.hears(5000)).length).toBe(5000);
  await set("10");
  client.text = "";
  client.flood("PING\r\n", 100);
  await client.hears(5);
  expect(await states(rig)).toEqual(["throttled"]);
});

test("a client that is delayed moves with all that it has sent", async () => {
  const rig = await startPool(["address_requests_per_second: 400"], { workers: 2 });
  const clients = Array.from({ length: 4 }, () => new Client(rig.port));
  clients.forEach((client, index) => {
    client.flood(`INCR n${index}\r\n`, 400);
  });
  for (const client of clients) await client.hears(20);
  await mustRun(rig.proxy, "upgrade");
  for (const client of clients) {
    expect(await client.hears(400)).toEqual(Array.from({ length: 400 }, (_, i) => `:${i + 1}`));
  }
});

test("an address has no more connections than it may, over all workers, and no more in a second", async () => {
  const rig = await startPool(["address_connections: 6"], { workers: 2 });
  const clients = Array.from({ length: 40 }, () => new Client(rig.port));
  const open = (): number => clients.filter(({ isClosed }) => !isClosed).length;
  await until("those that are too many are gone", () => open() <= 6);
  await eventually("the workers know", async () => (await states(rig)).length === open());
  expect(open()).toBeGreaterThanOrEqual(4);
  for (const client of clients) if (!client.isClosed) client.flood("PING\r\n", 1);
  const left = clients.filter(({ isClosed }) => !isClosed);
  for (const client of left) expect((await client.hears(1))[0]).toBe("+PONG");
  const turnedAway = clients.filter(({ text }) => text.startsWith("-ERR max number of clients"));
  expect(turnedAway.length).toBeGreaterThan(20);
  expect(rig.proxy.stderr()).toContain("address_connections of the pool is reached");
  // When one leaves there is room for another.
  left[0]!.socket.destroy();
  await eventually("another may come", async () => {
    const next = new Client(rig.port);
    next.flood("PING\r\n", 1);
    return (await next.hears(1))[0] === "+PONG";
  });
});

test("a client that is closed at once, because no server is there, is counted no longer", async () => {
  const [port, dead] = [freePort(), freePort()];
  const config = [
    ...["workers: 1", "pools:", "  main:", `    listen: 127.0.0.1:${port}`, "    protocol: tcp"],
    ...["    address_connections: 1", `    servers: [127.0.0.1:${dead}:1]`, ""],
  ];
  const proxy = await startProxy({ config: config.join("\n") });
  stops.push(() => proxy.stop());
  for (let i = 0; i < 4; i++) {
    const client = new Client(port);
    await until("it is closed", () => client.isClosed);
  }
  const { pools } = await mustRun<{ readonly pools: readonly PoolFigures[] }>(proxy, "stats");
  expect(pools[0]!.counters.client_refused).toBe(0);
});
