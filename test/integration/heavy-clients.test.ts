/** Clients that move much: they have server connections apart, get every reply in order, and of what they do not read little is fetched. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { eventually } from "../support/identity-rig.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { encodeCommand, exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
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
