/** Servers in the proxy's own zone are read before others: counted on real servers that listen on different loopback addresses. */
import { afterEach, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";

let proxy: ProxyProcess | null = null;
let port = 0;
let clients: RespClient[] = [];
let servers: RedisServer[] = [];
/** Those that were ended. */
let lost: RedisServer[] = [];

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy?.stop();
  proxy = null;
  for (const server of servers) await server.stop();
  servers = [];
  lost = [];
});

async function connect(host = "127.0.0.1", to = port): Promise<RespClient> {
  const client = await RespClient.connect({ host, port: to });
  clients.push(client);
  return client;
}

/** A primary in zone a, and replicas that are in step: one in a, two in b, one in c. */
async function startServers(): Promise<void> {
  const primary = await startRedis({
    host: "127.0.1.1",
    args: ["--repl-diskless-sync-delay", "0"],
  });
  servers = [primary];
  const args = ["--replicaof", primary.host, `${primary.port}`];
  for (const host of ["127.0.1.2", "127.0.2.1", "127.0.2.2", "127.0.3.1"]) {
    servers.push(await startRedis({ host, args }));
  }
  const client = await connect(primary.host, primary.port);
  await client.ask("SET", "k", "v");
  expect(await client.ask("WAIT", "4", "20000")).toBe(":4\r\n");
}

async function start(zone: string, readFrom: string, args: readonly string[] = []): Promise<void> {
  port = freePort();
  const [primary, ...replicas] = servers.map(({ host, port: at }) => `"${host}:${at}"`);
  const config = `zones: { a: [127.0.1.0/24], b: [127.0.2.1, 127.0.2.2], c: ["127.0.3.0/24"] }
${zone}
pools:
  main:
    listen: 127.0.0.1:${port}
    read_from: ${readFrom}
    max_lag: none
    servers: [{ address: ${primary}, name: one, replicas: [${replicas.join(", ")}] }]
`;
  proxy = await startProxy({ config, args: ["--workers", "2", ...args] });
}

async function calls(): Promise<number[]> {
  const counts: number[] = [];
  for (const server of servers) {
    const { host, port: at } = server;
    if (lost.includes(server)) {
      counts.push(0);
      continue;
    }
    const client = await connect(host, at);
    const text = await client.ask("INFO", "commandstats");
    counts.push(Number(/cmdstat_get:calls=(\d+)/.exec(text)?.[1] ?? 0));
  }
  return counts;
}

function lose(server: RedisServer): void {
  lost.push(server);
  process.kill(server.pid, "SIGKILL");
}

/** How many of 32 clients' reads each server gets. */
async function reads(): Promise<number[]> {
  const before = await calls();
  for (let i = 0; i < 32; i++) {
    expect(await (await connect()).ask("GET", "k")).toBe("$1\r\nv\r\n");
  }
  return (await calls()).map((count, i) => count - before[i]!);
}

for (const readFrom of ["nearest", "prefer_replica", "any"]) {
  test(`with ${readFrom} reads land in the own zone, and elsewhere when nobody there may be read`, async () => {
    await startServers();
    await start("zone: b", readFrom);
    const counts = await reads();
    expect(counts[2]! + counts[3]!).toBe(32);
    if (readFrom !== "nearest") expect(Math.min(counts[2]!, counts[3]!)).toBeGreaterThan(0);
    // One of the zone is enough.
    lose(servers[2]!);
    while ((await reads())[3] !== 32) await Bun.sleep(20);
    lose(servers[3]!);
    // A read that a lost replica does not answer goes to the primary, until all know that it is gone.
    const isElsewhere = ([primary, near, , , far]: readonly number[]): boolean =>
      near! + far! + (readFrom === "prefer_replica" ? 0 : primary!) === 32;
    while (!isElsewhere(await reads())) await Bun.sleep(20);
  }, 60_000);
}

test("the flag says the zone in place of the file, also after a reload", async () => {
  await startServers();
  await start("zone: b", "prefer_replica", ["--zone", "c"]);
  expect(await reads()).toEqual([0, 0, 0, 0, 32]);
  await mustRun(proxy!, "reload");
  expect(await reads()).toEqual([0, 0, 0, 0, 32]);
  expect(proxy!.stderr()).toContain("zone=c");
}, 60_000);
