/** Pools of plain bytes: half-closed connections, servers that are down, idle clients, and sides that do not read. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { PoolFigures } from "../../src/api/stats.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { eventually } from "../support/identity-rig.ts";
import { patternAt, patternFault } from "../support/pattern.ts";
import { connectPatternPeer, startPatternServer } from "../support/pattern-peer.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { statusOf } from "../support/run-command.ts";
import { tcpPools } from "../support/tcp-pools.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

setDefaultTimeout(60_000);
afterEach(stopAll);

async function startPool(
  servers: readonly number[],
  lines: readonly string[] = [],
): Promise<{ port: number; proxy: ProxyProcess }> {
  const port = freePort();
  const config = tcpPools([{ listen: port, servers, lines }]);
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  stops.push(() => proxy.stop());
  return { port, proxy };
}

/** A server that leaves all to the test. */
async function serve(port: number, onSocket: (socket: Socket) => void): Promise<Server> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  stops.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}

/** A client that has not ended unless it says so. */
function dial(port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  stops.push(async () => {
    socket.destroy();
  });
  return socket;
}

/** All that comes, until the other end has ended. */
function allOf(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  return new Promise((resolve) => socket.once("end", () => resolve(Buffer.concat(parts))));
}

async function poolOf(proxy: ProxyProcess): Promise<PoolFigures> {
  const [pool] = (await statusOf(proxy)).pools ?? [];
  if (pool === undefined) throw new Error("the status has no pool");
  return pool;
}

const MEGABYTES = 8_000_000;

test("a client that has ended still gets all that its server sends", async () => {
  const backend = freePort();
  let received: Promise<Buffer> | null = null;
  await serve(backend, (socket) => {
    received = allOf(socket);
    void received.then(() => socket.end(patternAt(2, 0, MEGABYTES)));
  });
  const { port } = await startPool([backend]);
  const client = dial(port);
  const replies = allOf(client);
  client.end(patternAt(1, 0, MEGABYTES));
  const all = await replies;
  expect([all.length, patternFault(2, 0, all)]).toEqual([MEGABYTES, -1]);
  const sent = await received!;
  expect([sent.length, patternFault(1, 0, sent)]).toEqual([MEGABYTES, -1]);
});

test("a server that has ended still gets all that its client sends", async () => {
  const backend = freePort();
  let received: Promise<Buffer> | null = null;
  await serve(backend, (socket) => {
    socket.end(patternAt(2, 0, MEGABYTES));
    received = allOf(socket);
  });
  const { port, proxy } = await startPool([backend]);
  const client = dial(port);
  const greeting = await allOf(client);
  expect([greeting.length, patternFault(2, 0, greeting)]).toEqual([MEGABYTES, -1]);
  client.end(patternAt(1, 0, MEGABYTES));
  const sent = await received!;
  expect([sent.length, patternFault(1, 0, sent)]).toEqual([MEGABYTES, -1]);
  const gone = async (): Promise<unknown> => {
    const { counters, servers } = await poolOf(proxy);
    return [counters.client_connections, servers[0]!.counters.server_connections];
  };
  while (`${await gone()}` !== "0,0") await Bun.sleep(5);
  const { counters, servers } = await poolOf(proxy);
  expect(counters).toMatchObject({ client_eof: 1, client_err: 0, client_connections_total: 1 });
  expect(servers[0]!.counters).toMatchObject({
    ...{ server_eof: 1, server_err: 0, server_connections_total: 1 },
    ...{ request_bytes: MEGABYTES, response_bytes: MEGABYTES },
  });
});

test("a client that is reset is no client that has ended", async () => {
  const backend = freePort();
  let end = "";
  await serve(backend, (socket) => {
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("end", () => {
      end += "end ";
    });
    socket.on("error", (error) => {
      end += (error as { code?: string }).code ?? "";
    });
  });
  const { port } = await startPool([backend]);
  const client = dial(port);
  client.write("half of");
  await new Promise((resolve) => client.once("data", resolve));
  client.resetAndDestroy();
  await until("the server hears of it", () => end !== "");
  expect(end).toBe("ECONNRESET");
});

/** What the client gets, and the error that it meets after that; none: it was told an end in good order. */
function lastWords(client: Socket): Promise<{ readonly bytes: number; readonly error: string }> {
  let bytes = 0;
  let error = "none";
  client.on("data", (part: Buffer) => {
    bytes += part.length;
  });
  client.on("error", (cause: { readonly code?: string }) => {
    error = cause.code ?? "unknown";
  });
  return new Promise((resolve) => {
    client.once("end", () => resolve({ bytes, error }));
    client.once("close", () => resolve({ bytes, error }));
  });
}

const REFUSAL = "-ERR max number of clients reached\r\n";

test("the last words of a server that closes with input unread arrive", async () => {
  const backend = freePort();
  await serve(backend, (socket) => {
    socket.pause();
    socket.write(REFUSAL, () => socket.destroy());
  });
  const { port } = await startPool([backend]);
  const client = dial(port);
  client.write("PING\r\n");
  // Whether an end or a reset follows depends on when the server's kernel got what it does not read.
  expect((await lastWords(client)).bytes).toBe(REFUSAL.length);
});

test("a server that is reset is no server that has ended, also for a client that reads late", async () => {
  const backend = freePort();
  const answer = Buffer.alloc(700_000, "x");
  await serve(backend, (socket) => {
    socket.once("data", () => socket.write(answer));
    socket.once("data", () => socket.once("data", () => socket.resetAndDestroy()));
  });
  const { port, proxy } = await startPool([backend]);
  const client = dial(port);
  client.pause();
  client.write("first");
  const hasCome = async (): Promise<boolean> =>
    Number((await poolOf(proxy)).servers[0]?.counters.response_bytes) === answer.length;
  await eventually("the proxy has the whole answer", hasCome);
  client.write("then");
  const isLost = async (): Promise<boolean> =>
    Number((await poolOf(proxy)).servers[0]?.counters.server_connections) === 0;
  await eventually("the server is lost", isLost);
  const heard = lastWords(client);
  client.resume();
  expect(await heard).toEqual({ bytes: answer.length, error: "ECONNRESET" });
});

test("a server that is down costs no client its connection, and comes back into the choice", async () => {
  const [dead, alive] = [freePort(), freePort()];
  const servers = [await startPatternServer(alive)];
  for (const server of servers) stops.push(() => server.stop());
  const lines = ["balance: round_robin", "server_retry_timeout: 100ms"];
  const { port, proxy } = await startPool([dead, alive], lines);
  const peers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => connectPatternPeer(port, i)),
  );
  stops.push(async () => {
    for (const peer of peers) peer.destroy();
  });
  await until("all are served", () => peers.every(({ received }) => received > 0));
  const [first] = (await poolOf(proxy)).servers;
  expect(first).toMatchObject({ name: "s0", trouble: { kind: "refused", workers: 1 } });
  expect(first!.counters.server_connections_total).toBe(0);
  const revived = await startPatternServer(dead);
  stops.push(() => revived.stop());
  while (revived.peers.length === 0) peers.push(await connectPatternPeer(port, 99));
  expect((await poolOf(proxy)).servers[0]!.trouble).toBe(null);
  expect(proxy.stderr()).toContain("server is back");
  expect(peers.flatMap(({ fault }) => fault ?? [])).toEqual([]);
});

test("without any server the client is closed and counted", async () => {
  const { port, proxy } = await startPool([freePort(), freePort()]);
  const client = dial(port);
  client.write("hello");
  expect(`${await allOf(client)}`).toBe("");
  expect((await poolOf(proxy)).counters.forward_error).toBe(1);
  expect(proxy.stderr()).toContain("a client is closed: no server can be reached");
});

test("health checks find a server that is down, and when it is up, without any client", async () => {
  const backend = freePort();
  const { proxy } = await startPool([backend], ["health_check: 50ms"]);
  await until("it is in trouble", () => proxy.stderr().includes("server is in trouble"));
  const server = await startPatternServer(backend);
  stops.push(() => server.stop());
  await until("it is back", () => proxy.stderr().includes("server is back"));
  const { counters } = (await poolOf(proxy)).servers[0]!;
  expect(counters.server_connections).toBeLessThanOrEqual(1);
});

test("idle_timeout ends a client that is idle, and its server's connection, and no other", async () => {
  const backend = freePort();
  const server = await startPatternServer(backend);
  stops.push(() => server.stop());
  const { port } = await startPool([backend], ["idle_timeout: 300ms"]);
  const busy = await connectPatternPeer(port, 1);
  stops.push(async () => busy.destroy());
  for (let round = 1; round <= 3; round++) {
    const idle = dial(port);
    const closed = allOf(idle);
    await until("its server's connection is there", () => server.peers.length === 1 + round);
    expect((await closed).length).toBe(0);
    await server.peers[round]!.closed;
  }
  expect([busy.hasEnded, busy.fault]).toEqual([false, null]);
});

test("a client that does not read costs little memory, and loses nothing", async () => {
  const total = 96_000_000;
  const backend = freePort();
  await serve(backend, (socket) => flood(socket, total));
  const { port, proxy } = await startPool([backend]);
  const before = residentBytes(proxy);
  const client = dial(port);
  client.pause();
  const stuck = await stalls(async () => (await poolOf(proxy)).servers[0]!.counters.response_bytes);
  expect(stuck).toBeGreaterThan(0);
  expect(stuck).toBeLessThan(total / 2);
  // What the kernel holds is not the worker's.
  expect(residentBytes(proxy) - before).toBeLessThan(48_000_000);
  expect(await countOf(client)).toEqual([total, -1]);
});

test("a server that does not read costs little memory, and gets all", async () => {
  const total = 96_000_000;
  const backend = freePort();
  const accepted: Socket[] = [];
  await serve(backend, (socket) => {
    socket.pause();
    accepted.push(socket);
  });
  const { port, proxy } = await startPool([backend]);
  const before = residentBytes(proxy);
  flood(dial(port), total);
  const stuck = await stalls(async () => (await poolOf(proxy)).servers[0]!.counters.request_bytes);
  expect(stuck).toBeGreaterThan(0);
  expect(stuck).toBeLessThan(total / 2);
  expect(residentBytes(proxy) - before).toBeLessThan(48_000_000);
  expect(await countOf(accepted[0]!)).toEqual([total, -1]);
});

test("a drain waits for clients to end by themselves", async () => {
  const backend = freePort();
  const server = await startPatternServer(backend);
  stops.push(() => server.stop());
  const { port, proxy } = await startPool([backend]);
  const peer = await connectPatternPeer(port, 1);
  await until("data flow", () => peer.received > 0);
  process.kill(proxy.pid, "SIGQUIT");
  await until("it drains", () => proxy.stderr().includes("draining"));
  const before = peer.received;
  await until("data flow on", () => peer.received > before);
  peer.stop();
  expect(await proxy.exited).toBe(0);
  await peer.closed;
  expect(peer.fault).toBe(null);
  expect(peer.received).toBe(server.peers[0]!.sent);
});

/** Sends `total` bytes of stream 3 as fast as they are taken, and ends. */
function flood(socket: Socket, total: number): void {
  const step = 1_000_000;
  const send = (position: number): void => {
    if (position >= total) socket.end();
    else socket.write(patternAt(3, position, step), () => send(position + step));
  };
  send(0);
}

/** How many bytes come until the end, and where the first wrong one is. */
function countOf(socket: Socket): Promise<[number, number]> {
  let count = 0;
  let fault = -1;
  socket.on("data", (part: Buffer) => {
    if (fault < 0) fault = patternFault(3, count, part);
    count += part.length;
  });
  socket.resume();
  return new Promise((resolve) => socket.once("end", () => resolve([count, fault])));
}

/** The value that a figure keeps, once it has one. */
async function stalls(figure: () => Promise<number>): Promise<number> {
  let last = -1;
  for (let same = 0; same < 5; ) {
    const now = await figure();
    same = now === last && now > 0 ? same + 1 : 0;
    last = now;
  }
  return last;
}

/** Memory of the worker. */
function residentBytes(proxy: ProxyProcess): number {
  const [pid] = proxy.workerPids();
  const [, pages = "0"] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return Number(pages) * 4096;
}
