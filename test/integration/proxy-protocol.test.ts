/** Pools behind load balancers: whose a connection is says a PROXY header, and only those that are trusted may say it. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { ClientReport } from "../../src/api/inspection.ts";
import type { PoolFigures } from "../../src/api/stats.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { startHaproxy } from "../support/haproxy.ts";
import { eventually } from "../support/identity-rig.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { binaryHeaderOf, headerLine } from "../support/proxy-header.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { mustRun } from "../support/run-command.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

const POOLS = ["main", "cache", "plain"] as const;
type Pool = (typeof POOLS)[number];

interface Rig {
  readonly proxy: ProxyProcess;
  readonly ports: Readonly<Record<Pool, number>>;
}

/** Pools of all protocols. @param lines of each */
async function startRig(lines: readonly string[], workers = 2): Promise<Rig> {
  const redis = await startRedis();
  const memcached = await startMemcached();
  stops.push(
    () => redis.stop(),
    () => memcached.stop(),
  );
  const ports = { main: freePort(), cache: freePort(), plain: freePort() };
  const pool = (name: Pool, protocol: string, port: number): string[] => [
    `  ${name}:`,
    `    listen: 127.0.0.1:${ports[name]}`,
    `    protocol: ${protocol}`,
    `    servers: [127.0.0.1:${port}:1]`,
    ...lines.map((line) => `    ${line}`),
  ];
  const config = [
    ...[`workers: ${workers}`, "pools:"],
    ...pool("main", "redis", redis.port),
    ...pool("cache", "memcache", memcached.port),
    ...pool("plain", "tcp", redis.port),
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n") });
  stops.push(() => proxy.stop());
  return { proxy, ports };
}

class Peer {
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

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  async hears(text: string): Promise<void> {
    await until(
      `it hears ${JSON.stringify(text)}`,
      () => this.text.includes(text) || this.isClosed,
    );
    expect(this.text).toContain(text);
    this.text = "";
  }
}

/** A request to a pool, and its reply. */
const TALK: Readonly<Record<Pool, readonly [string, string]>> = {
  main: ["PING\r\n", "+PONG\r\n"],
  cache: ["get nothing\r\n", "END\r\n"],
  plain: ["PING\r\n", "+PONG\r\n"],
};

async function talk(peer: Peer, pool: Pool): Promise<void> {
  const [request, reply] = TALK[pool];
  peer.send(request);
  await peer.hears(reply);
}

/** Addresses of the clients, by their pool. */
async function addresses({ proxy }: Rig): Promise<string[]> {
  const { report } = await mustRun<{ readonly report: ClientReport }>(proxy, "clients");
  return report.rows.map(({ pool, address }) => `${pool} ${address}`).sort();
}

async function refused({ proxy }: Rig): Promise<number> {
  const { pools } = await mustRun<{ readonly pools: readonly PoolFigures[] }>(proxy, "stats");
  return pools.reduce((sum, { counters }) => sum + counters.client_header_refused, 0);
}

const ENDS = { ip: "203.0.113.7", port: 4711, localIp: "203.0.113.1", localPort: 6379 };

test("HAProxy says whose its connections are, in both versions, to every protocol", async () => {
  const rig = await startRig(["proxy_protocol_from: [127.0.0.1]"]);
  const routes = POOLS.flatMap((pool) =>
    (["send-proxy", "send-proxy-v2"] as const).map((send) => ({
      ...{ pool, listen: freePort(), to: rig.ports[pool], send },
    })),
  );
  const haproxy = await startHaproxy(routes);
  stops.push(() => haproxy.stop());
  const expected: string[] = [];
  for (const { pool, listen } of routes) {
    const peer = new Peer(listen);
    await talk(peer, pool);
    expected.push(`${pool} 127.0.0.1:${peer.socket.localPort}`);
    if (pool !== "main") continue;
    peer.send("CLIENT INFO\r\n");
    await peer.hears(`addr=127.0.0.1:${peer.socket.localPort} laddr=127.0.0.1:${listen}`);
  }
  await eventually("the connections that tried the ports are gone", async () => {
    return (await addresses(rig)).length === expected.length;
  });
  expect(await addresses(rig)).toEqual(expected.sort());
  expect(await refused(rig)).toBe(0);
});

test("a header that has half come is awaited by the next worker, and what it said is kept", async () => {
  const rig = await startRig(["proxy_protocol: true"]);
  const headers = [headerLine(ENDS), binaryHeaderOf({ ...ENDS, port: 4712 })];
  const peers = POOLS.flatMap((pool) =>
    headers.map((header) => ({ pool, header, peer: new Peer(rig.ports[pool]) })),
  );
  for (const [index, { header, peer }] of peers.entries()) {
    peer.send(header.subarray(0, [1, 20, 7, 13, 30, 16][index]));
  }
  await eventually("all are here", async () => (await addresses(rig)).length === peers.length);
  await mustRun(rig.proxy, "upgrade");
  for (const [index, { header, peer, pool }] of peers.entries()) {
    peer.send(header.subarray([1, 20, 7, 13, 30, 16][index]));
    await talk(peer, pool);
  }
  const all = POOLS.flatMap((pool) => [`${pool} 203.0.113.7:4711`, `${pool} 203.0.113.7:4712`]);
  expect(await addresses(rig)).toEqual(all.sort());
  const { configFile } = rig.proxy;
  writeFileSync(configFile, readFileSync(configFile, "utf8").replace("workers: 2", "workers: 1"));
  await mustRun(rig.proxy, "reload");
  for (const { peer, pool } of peers) await talk(peer, pool);
  expect(await addresses(rig)).toEqual(all.sort());
  expect(await refused(rig)).toBe(0);
});

test("a client that is told to wait for the pool has its header read all the same", async () => {
  const rig = await startRig(["proxy_protocol: true"], 1);
  const peer = new Peer(rig.ports.main);
  const header = headerLine(ENDS);
  peer.send(header.subarray(0, 9));
  await eventually("it is here", async () => (await addresses(rig)).length === 1);
  await mustRun(rig.proxy, "pause", "main");
  peer.send(Buffer.concat([header.subarray(9), Buffer.from("PING\r\n")]));
  await eventually("the header is read", async () => {
    return (await addresses(rig)).includes("main 203.0.113.7:4711");
  });
  expect(peer.text).toBe("");
  await mustRun(rig.proxy, "resume", "main");
  await peer.hears("+PONG\r\n");
});

test("connections from elsewhere, and those without a right header, are closed and counted", async () => {
  const rig = await startRig(["proxy_protocol_from: [10.0.0.0/8]"], 1);
  const stranger = new Peer(rig.ports.main);
  stranger.send(Buffer.concat([headerLine(ENDS), Buffer.from("PING\r\n")]));
  await until("it is closed", () => stranger.isClosed);
  expect(stranger.text).toBe("");
  expect(rig.proxy.stderr()).toContain("its source is none of proxy_protocol_from");
  expect(await refused(rig)).toBe(1);
});

test("what is no header is no request, and half a header is no client", async () => {
  const rig = await startRig(["proxy_protocol: true"], 1);
  const plain = new Peer(rig.ports.main);
  plain.send("SET k v\r\n");
  await until("it is closed", () => plain.isClosed);
  expect(plain.text).toBe("");
  const cut = new Peer(rig.ports.cache);
  cut.send("PROXY TCP4 1.2");
  await eventually("it is here", async () => (await addresses(rig)).length === 1);
  cut.socket.end();
  await until("it is closed", () => cut.isClosed);
  // One that only looks whether the port is open is no matter for the log.
  const looker = new Peer(rig.ports.plain);
  looker.socket.end();
  await until("it is closed", () => looker.isClosed);
  expect(await refused(rig)).toBe(2);
  expect(rig.proxy.stderr()).toContain(`peer=127.0.0.1:`);
  const local = new Peer(rig.ports.main);
  local.send("PROXY UNKNOWN\r\nGET k\r\n");
  await local.hears("$-1\r\n");
});

test("limits that come while a header is awaited count its client once, at the address that it names", async () => {
  const rig = await startRig(["proxy_protocol: true"], 1);
  const named = new Peer(rig.ports.main);
  named.send(headerLine(ENDS).subarray(0, 20));
  await eventually("it is here", async () => (await addresses(rig)).length === 1);
  await mustRun(rig.proxy, "config", "set", "main.address_connections", "1");
  named.send(headerLine(ENDS).subarray(20));
  await talk(named, "main");
  const second = new Peer(rig.ports.main);
  second.send(headerLine({ ...ENDS, port: 4712 }));
  await second.hears("-ERR max number of clients");
  for (let i = 0; i < 3; i++) {
    const local = new Peer(rig.ports.main);
    local.send("PROXY UNKNOWN\r\n");
    await talk(local, "main");
    local.socket.destroy();
    await eventually("it is gone", async () => (await addresses(rig)).length === 1);
  }
});
