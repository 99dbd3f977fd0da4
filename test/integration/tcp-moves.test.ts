/** Pools of plain bytes: clients and their servers' connections move together, and no byte is lost, doubled or swapped. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { BeanstalkLoad, startBeanstalkd } from "../support/beanstalk.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { patternAt, patternFault } from "../support/pattern.ts";
import { connectPatternPeer, startPatternServer } from "../support/pattern-peer.ts";
import { startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { tcpPools } from "../support/tcp-pools.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";
import { TestGeneration } from "../support/worker-process.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

/** More of both, to be given by hand, for a run of minutes: it prints how much was compared. */
const UPGRADES = Number(process.env["TCP_UPGRADES"] ?? 4);
const CONNECTIONS = Number(process.env["TCP_CONNECTIONS"] ?? 30);

test("connections with data flowing both ways survive upgrades byte for byte", async () => {
  const [bytes, redis, beanstalk] = [freePort(), freePort(), freePort()];
  const [patternPort, redisServer, beanstalkd] = [
    freePort(),
    await startRedis(),
    await startBeanstalkd(),
  ];
  stops.push(
    () => redisServer.stop(),
    () => beanstalkd.stop(),
  );
  const patterns = await startPatternServer(patternPort);
  stops.push(() => patterns.stop());
  const config = tcpPools([
    { listen: bytes, servers: [patternPort] },
    { listen: redis, servers: [redisServer.port] },
    { listen: beanstalk, servers: [beanstalkd.port] },
  ]);
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());

  const part = Math.floor(CONNECTIONS / 3);
  const peers = await Promise.all(
    Array.from({ length: CONNECTIONS - 2 * part }, (_, i) => connectPatternPeer(bytes, i)),
  );
  const endpoint = { host: "127.0.0.1", port: redis };
  const load = await SteadyLoad.start({ endpoint, pipelining: part, idle: 0, halfway: 0 });
  const jobs = Array.from({ length: part }, (_, i) => new BeanstalkLoad(beanstalk, `tube${i}`));
  const waiting = await TextClient.connect({ host: "127.0.0.1", port: beanstalk });
  stops.push(async () => waiting.close());
  expect(await waiting.ask("watch slow\r\n")).toBe("WATCHING 2\r\n");
  waiting.send("reserve\r\n");

  const all = CONNECTIONS + 1;
  for (let round = 1; round <= UPGRADES; round++) {
    const before = {
      received: peers.map(({ received }) => received),
      requests: load.requests,
      jobs: jobs.map((job) => job.jobs),
    };
    const { crew } = await mustRun<UpgradeResult>(proxy, "upgrade");
    expect(crew).toMatchObject({ moved: all, left: 0, lost: 0 });
    await until("data flow on every connection", () => {
      const isFlowing =
        peers.every(({ received }, i) => received > before.received[i]!) &&
        jobs.every((job, i) => job.jobs > before.jobs[i]!) &&
        load.requests > before.requests;
      return isFlowing || [...peers, ...patterns.peers].some(({ fault }) => fault !== null);
    });
    expect([...peers, ...patterns.peers].map(({ fault }) => fault)).toEqual(
      Array(2 * peers.length).fill(null),
    );
  }

  const other = await TextClient.connect({ host: "127.0.0.1", port: beanstalk });
  stops.push(async () => other.close());
  expect(await other.ask("use slow\r\n")).toBe("USING slow\r\n");
  expect(await other.ask("put 0 0 60 3\r\nnow\r\n")).toStartWith("INSERTED ");
  expect(`${await waiting.until("now\r\n")}`).toStartWith("RESERVED ");

  await load.stop();
  await Promise.all(jobs.map((job) => job.stop()));
  for (const peer of peers) peer.stop();
  await Promise.all([...peers, ...patterns.peers].map(({ closed }) => closed));
  expect(load.errors).toEqual([]);
  expect(jobs.flatMap(({ errors }) => errors)).toEqual([]);
  expect([...peers, ...patterns.peers].map(({ fault }) => fault)).toEqual(
    Array(2 * peers.length).fill(null),
  );
  const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);
  const ends = patterns.peers;
  expect(sum(ends.map(({ received }) => received))).toBe(sum(peers.map(({ sent }) => sent)));
  expect(sum(peers.map(({ received }) => received))).toBe(sum(ends.map(({ sent }) => sent)));
  if (process.env["TCP_UPGRADES"] === undefined) return;
  console.log(
    `${all} connections, ${UPGRADES} upgrades: ${sum(peers.map((peer) => peer.sent + peer.received))} bytes compared, ${load.requests} requests, ${sum(jobs.map((job) => job.jobs))} jobs`,
  );
}, 900_000);

test("a server that a reload takes away keeps the connections that it has", async () => {
  const [listen, old, current] = [freePort(), freePort(), freePort()];
  const servers = [await startPatternServer(old), await startPatternServer(current)];
  for (const server of servers) stops.push(() => server.stop());
  const proxy = await startProxy({
    config: tcpPools([{ listen, servers: [old] }]),
    args: ["--workers", "1"],
  });
  stops.push(() => proxy.stop());
  const first = await connectPatternPeer(listen, 1);
  await until("data flow", () => first.received > 0);
  const text = readFileSync(proxy.configFile, "utf8");
  writeFileSync(proxy.configFile, text.replace(`127.0.0.1:${old}`, `127.0.0.1:${current}`));
  expect(await mustRun<UpgradeResult>(proxy, "reload")).toMatchObject({
    crew: { moved: 1, lost: 0 },
  });
  const before = first.received;
  await until("the old connection goes on", () => first.received > before);
  const second = await connectPatternPeer(listen, 2);
  await until("a new one has the new server", () => servers[1]!.peers.length === 1);
  // Once more: also a connection to a server that is gone from the configuration moves.
  expect(await mustRun<UpgradeResult>(proxy, "upgrade")).toMatchObject({
    crew: { moved: 2, lost: 0 },
  });
  for (const peer of [first, second]) peer.stop();
  await Promise.all([first.closed, second.closed]);
  expect([first.fault, second.fault]).toEqual([null, null]);
  expect(first.received).toBe(servers[0]!.peers[0]!.sent);
  expect(second.received).toBe(servers[1]!.peers[0]!.sent);
});

test("half-closed connections, and those that one side does not read, move as they are", async () => {
  const total = 24_000_000;
  const backends = [freePort(), freePort(), freePort(), freePort()];
  const sockets: Socket[] = [];
  const socketOf = async (at: number): Promise<Socket> => {
    await until("the server is connected", () => sockets[at] !== undefined);
    return sockets[at]!;
  };
  for (const [at, port] of backends.entries()) {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      socket.on("error", () => {});
      sockets[at] = socket;
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    stops.push(async () => {
      sockets[at]?.destroy();
      server.close();
    });
  }
  const listens = backends.map(() => freePort());
  const config = tcpPools(backends.map((port, at) => ({ listen: listens[at]!, servers: [port] })));
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  const clients = listens.map((port) => {
    const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => {});
    client.pause();
    stops.push(async () => {
      client.destroy();
    });
    return client;
  });

  // The first client has ended before it moves, the second one's server has; the others have more on the way than sockets hold.
  clients[0]!.end("question");
  expect(`${await allOf(await socketOf(0))}`).toBe("question");
  (await socketOf(1)).end("greeting");
  expect(`${await allOf(clients[1]!)}`).toBe("greeting");
  (await socketOf(2)).end(patternAt(2, 0, total));
  await socketOf(3);
  clients[3]!.end(patternAt(3, 0, total));

  for (let round = 0; round < 3; round++) {
    const { crew } = await mustRun<UpgradeResult>(proxy, "upgrade");
    expect(crew).toMatchObject({ moved: clients.length, left: 0, lost: 0 });
  }

  (await socketOf(0)).end("answer");
  expect(`${await allOf(clients[0]!)}`).toBe("answer");
  clients[1]!.end("thanks");
  expect(`${await allOf(await socketOf(1))}`).toBe("thanks");
  const toClient = await allOf(clients[2]!);
  expect([toClient.length, patternFault(2, 0, toClient)]).toEqual([total, -1]);
  const toServer = await allOf(await socketOf(3));
  expect([toServer.length, patternFault(3, 0, toServer)]).toEqual([total, -1]);
  clients[2]!.end();
  (await socketOf(3)).end();

  const figures = async (): Promise<string> => {
    const pools = (await statusOf(proxy)).pools ?? [];
    return pools
      .map(({ counters, servers: [server] }) => {
        const { client_connections, client_eof, client_err } = counters;
        const { server_connections, server_eof, server_err } = server!.counters;
        return `${client_connections} ${client_eof} ${client_err} ${server_connections} ${server_eof} ${server_err}`;
      })
      .join(", ");
  };
  // An end counts once, however often its connection has moved.
  const ended = Array(4).fill("0 1 0 0 1 0").join(", ");
  let last = "";
  for (let look = 0; last !== ended && look < 400; look++) last = await figures();
  expect(last).toBe(ended);
});

test("some of a worker's clients are moved to even out, and both workers go on", async () => {
  const [listen, backend] = [freePort(), freePort()];
  const server = await startPatternServer(backend);
  stops.push(() => server.stop());
  const workers = new TestGeneration(tcpPools([{ listen, servers: [backend] }]), listen);
  stops.push(() => workers.stop());
  const first = await workers.start();
  const peers = await Promise.all(
    Array.from({ length: 6 }, (_, i) => connectPatternPeer(listen, i)),
  );
  await until("data flow", () => peers.every(({ received }) => received > 0));
  const second = await workers.start(false);
  expect(await first.handOverTo(second, 2, "p0")).toMatchObject({ moved: 2, left: 4 });
  const before = peers.map(({ received }) => received);
  await until("data flow on", () => peers.every(({ received }, i) => received > before[i]!));
  for (const peer of peers) peer.stop();
  await Promise.all([...peers, ...server.peers].map(({ closed }) => closed));
  expect([...peers, ...server.peers].flatMap(({ fault }) => fault ?? [])).toEqual([]);
  const total = (numbers: number[]): number => numbers.reduce((sum, number) => sum + number, 0);
  expect(total(server.peers.map(({ received }) => received))).toBe(
    total(peers.map(({ sent }) => sent)),
  );
});

test("connections of all workers are spread by weight, and counted for their server", async () => {
  const [listen, ...ports] = [freePort(), freePort(), freePort()];
  const accepted = [0, 0];
  for (const [at, port] of ports.entries()) {
    const server = createServer((socket) => {
      accepted[at]!++;
      socket.on("error", () => {});
      socket.write("welcome");
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    stops.push(async () => {
      server.close();
    });
  }
  const config = tcpPools([{ listen, servers: ports }]).replace(":1 s0", ":3 s0");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  for (let count = 1; count <= 40; count++) {
    const client = connect({ port: listen, host: "127.0.0.1" });
    client.on("error", () => {});
    stops.push(async () => {
      client.destroy();
    });
    // By then its worker has counted it, and the other one sees that.
    await new Promise((resolve) => client.once("data", resolve));
  }
  expect(accepted).toEqual([30, 10]);
  const [pool] = (await statusOf(proxy)).pools ?? [];
  expect(pool!.servers.map(({ counters }) => counters.server_connections)).toEqual([30, 10]);
});

/** All that comes, until the other end has ended. */
function allOf(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  socket.resume();
  return new Promise((resolve) => socket.once("end", () => resolve(Buffer.concat(parts))));
}
