/** The embedded Redis over sockets: order, large values, slow readers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type DevRedis, startDevRedis } from "../../../src/dev/redis/dev-redis.ts";
import { RespClient } from "../../support/resp-client.ts";

const MEBIBYTE = 1024 * 1024;

let dev: DevRedis;

beforeEach(() => {
  dev = startDevRedis({ unixPath: null });
});

afterEach(() => dev.stop());

function connect(): Promise<RespClient> {
  const [host = "", port] = dev.address.split(":");
  return RespClient.connect({ host, port: Number(port) });
}

test("a pipeline is answered in order", async () => {
  const client = await connect();
  const numbers = Array.from({ length: 5000 }, (_, index) => String(index));
  client.command(...numbers.map((number) => ["ECHO", number]));
  const replies = await client.replies(numbers.length);
  expect(replies.map(String)).toEqual(numbers.map((n) => `$${n.length}\r\n${n}\r\n`));
});

test("a value of many mebibytes comes back as it was sent", async () => {
  const client = await connect();
  const value = Buffer.alloc(48 * MEBIBYTE, "0123456789\r\n\xff\0", "latin1");
  client.command(["SET", "big", value], ["GET", "big"]);
  const [stored, got] = await client.replies(2);
  expect(String(stored)).toBe("+OK\r\n");
  expect(
    got?.equals(Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from("\r\n")])),
  ).toBe(true);
});

test("a client that does not read holds up nobody, and gets everything later", async () => {
  const [slow, other] = await Promise.all([connect(), connect()]);
  await slow.ask("SET", "big", "x".repeat(MEBIBYTE));
  slow.pause();
  slow.command(...Array.from({ length: 64 }, () => ["GET", "big"]), ["SET", "done", "yes"]);
  for (let i = 0; i < 100; i += 1) expect(await other.ask("PING")).toBe("+PONG\r\n");
  // Its last request waits until it has read: what it is owed does not pile up.
  expect(await other.ask("GET", "done")).toBe("$-1\r\n");
  slow.resume();
  const replies = await slow.replies(65);
  expect(replies.filter((reply) => reply.length > MEBIBYTE)).toHaveLength(64);
  expect(await other.ask("GET", "done")).toBe("$3\r\nyes\r\n");
  expect(await slow.ask("PING")).toBe("+PONG\r\n");
});

test("connections come and go, and INFO counts those that are there", async () => {
  const first = await connect();
  const second = await connect();
  expect(await first.ask("INFO", "clients")).toContain("connected_clients:2\r\n");
  expect(await second.ask("QUIT")).toBe("+OK\r\n");
  await second.untilClosed();
  const third = await connect();
  // The server hears of the close in its own time; the test's time limit ends the wait.
  while (!(await third.ask("INFO", "clients")).includes("connected_clients:2\r\n"));
  first.close();
  while (!(await third.ask("INFO", "clients")).includes("connected_clients:1\r\n"));
});
