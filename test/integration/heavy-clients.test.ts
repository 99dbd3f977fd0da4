/** Clients that move much: they have server connections apart, get every reply in order, and of what they do not read little is fetched. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { KNOWN_REPLIES, UNKNOWN_REPLIES_MAX } from "../../src/base/fairness-limits.ts";
import { until } from "../support/echo-proxy.ts";
import { startFakeServer } from "../support/fake-server.ts";
import { freePort } from "../support/free-port.ts";
import { eventually } from "../support/identity-rig.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { encodeCommand, exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

setDefaultTimeout(60_000);
afterEach(stopAll);

const LARGE = 2 * 1024 * 1024;
const CLIENTS = 5;
const REQUESTS = 12;

async function numberIn(server: RedisServer, section: string, field: RegExp): Promise<number> {
  const [text] = await exchange(server, [["INFO", section]]);
  return Number(field.exec(`${text}`)?.[1] ?? 0);
}

/** Connections of the proxy. */
async function connections(server: RedisServer): Promise<number> {
  const [text] = await exchange(server, [["CLIENT", "LIST"]]);
  const lines = `${text}`.trim().split("\n");
  return lines.filter((line) => !line.includes("cmd=client")).length;
}

test("of replies that are not read few are fetched; read, they come in order, and beside them others are served", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers: [server] }),
    args: ["--workers", "1"],
  });
  stops.push(() => proxy.stop());
  const values = Array.from({ length: 4 }, (_, i) => `${i}`.repeat(LARGE));
  await exchange(
    server,
    values.map((value, i) => ["SET", `large${i}`, value]),
  );
  const polite = { host: "127.0.0.1", port };
  await exchange(polite, [["SET", "small", "s"]]);
  expect(await connections(server)).toBe(1);
  // One that is heavy from its first request on: those that come after it begin as such.
  await exchange(polite, [["GET", "large0"]]);

  const request = Array.from({ length: REQUESTS }, (_, i) =>
    encodeCommand(["GET", `large${i % 4}`]),
  );
  const readers: { readonly socket: Socket; bytes: number }[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    const reader = { socket: connect(port, "127.0.0.1"), bytes: 0 };
    stops.push(async () => void reader.socket.destroy());
    reader.socket.pause();
    reader.socket.write(Buffer.concat(request));
    readers.push(reader);
  }
  // They are all served until they take no more.
  let gets = 0;
  await eventually("nothing more is asked for", async () => {
    const before = gets;
    gets = await numberIn(server, "commandstats", /cmdstat_get:calls=(\d+)/);
    await Bun.sleep(100);
    return gets >= CLIENTS && gets === before;
  });
  // Two before anything is known of a client, as others were heavy, and 8 MiB that may be on their way to one that reads.
  expect(gets).toBeLessThanOrEqual(CLIENTS * 6);
  expect(await exchange(polite, [["GET", "small"]])).toEqual([Buffer.from("s")]);

  const total = REQUESTS * (LARGE + `$${LARGE}\r\n\r\n`.length);
  const expected = Buffer.concat(values.map((value) => Buffer.from(`$${LARGE}\r\n${value}\r\n`)));
  for (const reader of readers) {
    let at = 0;
    let isRight = true;
    reader.socket.on("data", (chunk: Buffer) => {
      for (let from = 0; from < chunk.length; ) {
        const length = Math.min(chunk.length - from, expected.length - (at % expected.length));
        const start = at % expected.length;
        isRight &&= expected.compare(chunk, from, from + length, start, start + length) === 0;
        from += length;
        at += length;
      }
      reader.bytes = isRight ? at : Number.NaN;
    });
    reader.socket.resume();
  }
  await until("all is read", () => readers.every(({ bytes }) => !(bytes < total)));
  expect(readers.map(({ bytes }) => bytes)).toEqual(readers.map(() => total));
  // Others have the connection that they had, and clients that move much another one.
  expect(await connections(server)).toBe(2);
});

test("many that come at once and ask for more than is known of do not fill the connection that others have", async () => {
  const held: (() => void)[] = [];
  const byConnection: number[] = [];
  const server = startFakeServer(([name, key = ""], connection) => {
    if (name !== "GET") return "+OK\r\n";
    if (!key.startsWith("large")) return "$-1\r\n";
    byConnection[connection.index] = (byConnection[connection.index] ?? 0) + 1;
    held.push(() => connection.send(`+${key}\r\n`));
    return null;
  });
  stops.push(async () => server.stop());
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers: [server] }),
    args: ["--workers", "1"],
  });
  stops.push(() => proxy.stop());
  const open = (): Promise<RespClient> => RespClient.connect({ host: "127.0.0.1", port });
  const polite = await open();
  for (let i = 0; i < KNOWN_REPLIES; i++) expect(await polite.ask("GET", "none")).toBe("$-1\r\n");
  const plain = server.connections - 1;
  const many = await Promise.all(Array.from({ length: 20 }, open));
  for (const [i, client] of many.entries()) {
    client.command(...Array.from({ length: REQUESTS }, (_, n) => ["GET", `large${i}.${n}`]));
  }
  // All of them are served, with what may be asked for before there is a reply.
  await eventually("nothing more is asked for", async () => {
    const before = held.length;
    await Bun.sleep(100);
    return held.length > UNKNOWN_REPLIES_MAX && held.length === before;
  });
  expect(byConnection[plain]).toBe(UNKNOWN_REPLIES_MAX);
  expect(server.connections).toBe(plain + 2);
  const release = setInterval(() => {
    for (const answer of held.splice(0)) answer();
  }, 1);
  for (const [i, client] of many.entries()) {
    const expected = Array.from({ length: REQUESTS }, (_, n) => `+large${i}.${n}\r\n`);
    expect((await client.replies(REQUESTS)).map(String)).toEqual(expected);
    client.close();
  }
  clearInterval(release);
  expect(await polite.ask("GET", "none")).toBe("$-1\r\n");
  polite.close();
});

test("clients that block are none of those that nothing is known of", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers: [server] }),
    args: ["--workers", "1"],
  });
  stops.push(() => proxy.stop());
  const open = (): Promise<RespClient> => RespClient.connect({ host: "127.0.0.1", port });
  const blocked = await Promise.all(Array.from({ length: UNKNOWN_REPLIES_MAX + 8 }, open));
  for (const client of blocked) client.command(["BLPOP", "list", "0"]);
  await eventually("all are blocked", async () => {
    return (await numberIn(server, "clients", /blocked_clients:(\d+)/)) === blocked.length;
  });
  const polite = await open();
  expect(await polite.ask("GET", "none")).toBe("$-1\r\n");
  // Theirs, and the one that others share.
  expect(await connections(server)).toBe(blocked.length + 1);
  for (const client of blocked) client.close();
  polite.close();
});
