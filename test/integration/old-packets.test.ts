/**
 * Packets in which earlier programs have handed clients over, recorded in test/data: format 2 as version 0.1.0 at commit d749d4d
 * wrote it, format 3 as at 9a629b7, format 4 as at cb1a43c. A worker takes them and goes on with each client where it was.
 */
import { afterEach, expect, test } from "bun:test";
import type { Stream, StreamEvents } from "../../src/api/stream.ts";
import { bunEngine } from "../../src/engine/bun/engine.ts";
import { closeFd, duplicateFd } from "../../src/os/fd.ts";
import { createSocketPair } from "../../src/os/socket-pair.ts";
import format2 from "../data/packets-format-2.json" with { type: "json" };
import format3 from "../data/packets-format-3.json" with { type: "json" };
import format4 from "../data/packets-format-4.json" with { type: "json" };
import { freePort } from "../support/free-port.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { TestGeneration } from "../support/worker-process.ts";

interface RecordedPacket {
  readonly descriptors: number;
  /** One character per byte. */
  readonly bytes: string;
}

/** The server's address when the packets were recorded. */
const RECORDED_SERVER = "127.0.0.1:26391";
const PLAIN = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };

/** One end of a connection, as text. */
class Line {
  received = "";
  private write: (text: string) => void = () => {};
  private wake: () => void = () => {};

  /** @param fd a connected socket, the line's from now on */
  static on(fd: number): Line {
    const line = new Line();
    bunEngine.adopt(
      fd,
      PLAIN,
      (stream) => line.attach(stream),
      () => {},
    );
    return line;
  }

  attach(stream: Stream): StreamEvents {
    this.write = (text) => {
      const bytes = Buffer.from(text, "latin1");
      stream.write(bytes, 0, bytes.length);
    };
    return {
      onBytes: (bytes, start, end) => {
        this.received += bytes.toString("latin1", start, end);
        this.wake();
      },
      onDrain() {},
      onEnd() {},
      onClose() {},
    };
  }

  say(text: string): void {
    this.write(text);
  }

  /** Waits until exactly `text` has come, as `normalized`, and forgets it. */
  async hears(text: string, normalized = (received: string) => received): Promise<void> {
    while (this.received.length < text.length) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.wake = resolve;
      await promise;
    }
    expect(normalized(this.received)).toBe(text);
    this.received = "";
  }
}

/** A connection to `port` on which `requests` have had their `replies`; its descriptor is the caller's. */
async function connectionAfter(port: number, requests: string, replies: RegExp): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let received = "";
  let leave = (): void => {};
  const events = {
    onBytes: (bytes: Buffer, start: number, end: number) => {
      received += bytes.toString("latin1", start, end);
      if (replies.test(received)) leave();
    },
    onDrain() {},
    onEnd: () => reject(new Error(`the server hung up after ${received}`)),
    onClose: () => reject(new Error(`the server hung up after ${received}`)),
  };
  bunEngine.connect(
    { kind: "tcp", host: "127.0.0.1", port },
    PLAIN,
    {
      onError: (cause) => reject(new Error(cause)),
      onOpen(stream) {
        leave = () => {
          const fd = duplicateFd(stream.fd);
          stream.detach();
          resolve(fd);
        };
        const bytes = Buffer.from(requests);
        stream.write(bytes, 0, bytes.length);
      },
    },
    events,
  );
  return await promise;
}

/** What the servers' ends of recorded connections have been through, by the client's name. */
const SERVER_STATES: Readonly<Record<string, readonly [requests: string, replies: RegExp]>> = {
  multi: ["MULTI\r\nSET multikey 1\r\n", /^\+OK\r\n\+QUEUED\r\n$/],
  watch: ["WATCH wk\r\n", /^\+OK\r\n$/],
  watchmulti: ["WATCH wk2\r\nMULTI\r\nINCR wk2\r\n", /^\+OK\r\n\+OK\r\n\+QUEUED\r\n$/],
  // Its reply is still to come: the connection is left as soon as it stands.
  blocked: ["PING\r\nBLPOP list 0\r\n", /^\+PONG\r\n$/],
  link: ["SUBSCRIBE ch1 ch2\r\nPSUBSCRIBE p*\r\n", /:3\r\n$/],
};

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Gives a fresh worker the packets of one pool. @returns its clients' lines, in the packets' order, by name where they have one */
async function adopted(
  packets: readonly RecordedPacket[],
  pool: string,
  yaml: (port: number) => string,
  server: number,
): Promise<Map<string, Line>> {
  const port = await freePort();
  const generation = new TestGeneration(yaml(port), port);
  cleanups.push(() => generation.stop());
  const worker = await generation.start(false);
  const lines = new Map<string, Line>();
  const handed: { bytes: Buffer; fds: number[] }[] = [];
  for (const { descriptors, bytes } of packets) {
    const head = JSON.parse(bytes.substring(0, bytes.indexOf("\n"))) as {
      pool: string;
      link?: unknown;
      client: { name?: string; protocol?: string | null } | null;
    };
    if (head.pool !== pool) continue;
    const fds: number[] = [];
    const { client } = head;
    if (client !== null) {
      const { ours, theirs } = createSocketPair();
      lines.set(client.name ?? `${client.protocol}`, Line.on(ours));
      fds.push(theirs);
    }
    while (fds.length < descriptors) {
      const [requests, replies] = SERVER_STATES[client?.name ?? "link"]!;
      fds.push(await connectionAfter(server, requests, replies));
    }
    const moved = bytes.replaceAll(RECORDED_SERVER, `127.0.0.1:${server}`);
    handed.push({ bytes: Buffer.from(moved, "latin1"), fds });
  }
  const { adopted: sessions, failed } = await worker.take(handed);
  expect([sessions, failed]).toEqual([lines.size, 0]);
  for (const { fds } of handed) for (const fd of fds) closeFd(fd);
  return lines;
}

async function redisClients(packets: readonly RecordedPacket[]): Promise<{
  readonly redis: RedisServer;
  readonly client: (name: string) => Line;
}> {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const yaml = (port: number): string =>
    `pools: { r: { listen: "127.0.0.1:${port}", servers: ["127.0.0.1:${redis.port}:1"] } }`;
  const lines = await adopted(packets, "r", yaml, redis.port);
  return { redis, client: (name) => lines.get(name)! };
}

test.each([
  [2, format2],
  [3, format3],
  [4, format4],
])("Redis clients of format %i go on where they were", async (_, packets) => {
  const { client } = await redisClients(packets);
  client("plain").say("SET key1 v\r\nCLIENT GETNAME\r\n");
  await client("plain").hears("+OK\r\n$5\r\nplain\r\n");
  client("half").say("y1\r\n");
  await client("half").hears("$1\r\nv\r\n");
  client("resp3").say("GET nothing\r\n");
  await client("resp3").hears("_\r\n");
  client("db").say("GET key1\r\n");
  await client("db").hears("$-1\r\n");
  client("multi").say("GET multikey\r\nEXEC\r\n");
  await client("multi").hears("+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n");
  client("watchmulti").say("EXEC\r\n");
  await client("watchmulti").hears("*1\r\n:1\r\n");
  // A key that is watched since before the move.
  client("plain").say("SET wk 1\r\n");
  await client("plain").hears("+OK\r\n");
  client("watch").say("MULTI\r\nEXEC\r\n");
  await client("watch").hears("+OK\r\n*-1\r\n");
  client("plain").say("RPUSH list x\r\n");
  await client("blocked").hears("*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
  await client("plain").hears(":1\r\n");
  client("replyoff").say("SET silent 1\r\nCLIENT REPLY ON\r\n");
  await client("replyoff").hears("+OK\r\n");
  client("plain").say("PUBLISH ch1 hello\r\nPUBLISH pat hello\r\n");
  const body = "$7\r\nmessage\r\n$3\r\nch1\r\n$5\r\nhello\r\n";
  await client("sub3").hears(`>3\r\n${body}`);
  await client("sub").hears(
    `*3\r\n${body}*4\r\n$8\r\npmessage\r\n$2\r\np*\r\n$3\r\npat\r\n$5\r\nhello\r\n`,
  );
});

test.each([
  [2, format2],
  [3, format3],
  [4, format4],
])("Memcached clients of format %i go on where they were", async (_, packets) => {
  const memcached = await startMemcached();
  cleanups.push(() => memcached.stop());
  const yaml = (port: number): string =>
    `pools: { m: { listen: "127.0.0.1:${port}", protocol: memcache, servers: ["127.0.0.1:${memcached.port}:1"] } }`;
  const lines = await adopted(packets, "m", yaml, memcached.port);
  const client = (name: string): Line => lines.get(name)!;
  // "get " had been received.
  client("text").say("nothing\r\nset a 0 0 1\r\nx\r\n");
  await client("text").hears("END\r\nSTORED\r\n");
  // The first four bytes of a GET of "a" had been received.
  client("binary").say(`\0\0\0\0${"\0\0\0\x01"}\0\0\0\x07${"\0".repeat(8)}a`);
  // The CAS value is the server's business.
  const cas = /^(.{16}).{8}/s;
  await client("binary").hears(
    `\x81\0\0\0\x04\0\0\0${"\0\0\0\x05"}\0\0\0\x07${"\0".repeat(8)}\0\0\0\0x`,
    (text) => text.replace(cas, `$1${"\0".repeat(8)}`),
  );
  // It had said nothing, so it may choose.
  client("null").say("version\r\n");
  await client("null").hears(`VERSION ${await versionOf(memcached.port)}\r\n`);
});

async function versionOf(port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = await Bun.connect({
    ...{ hostname: "127.0.0.1", port },
    socket: { data: (_, chunk) => resolve(chunk.toString("latin1")) },
  });
  socket.write("version\r\n");
  const version = await promise;
  socket.end();
  return version.replace("VERSION ", "").trim();
}
