/** Client connections change their worker and notice nothing. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { redisPool } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { TestGeneration, type TestWorker } from "../support/worker-process.ts";

let servers: RedisServer[] = [];
let generation: TestGeneration;
let old: TestWorker;
let port = 0;
const clients: RespClient[] = [];

beforeEach(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
  port = freePort();
  generation = new TestGeneration(redisPool({ listen: `127.0.0.1:${port}`, servers }), port);
  old = await generation.start();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await generation.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

async function connect(): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  clients.push(client);
  return client;
}

/** Starts a successor, which accepts nobody itself, moves everybody there, and waits until the old worker is gone. */
async function succeed(): Promise<{ moved: number; left: number }> {
  const successor = await generation.start(false);
  const result = await old.handOverTo(successor, null, "pool");
  expect(await old.exited).toBe(0);
  old = successor;
  return result;
}

test("idle clients keep connection, name, id and protocol", async () => {
  const [plain, named, three] = [await connect(), await connect(), await connect()];
  await named.ask("CLIENT", "SETNAME", "somebody");
  const id = await named.ask("CLIENT", "ID");
  await three.ask("HELLO", "3");
  await three.ask("HSET", "h", "f", "v");
  expect(await plain.ask("SET", "a", "1")).toBe("+OK\r\n");
  expect(await succeed()).toMatchObject({ moved: 3, left: 0 });
  expect(await plain.ask("GET", "a")).toBe("$1\r\n1\r\n");
  expect(await named.ask("CLIENT", "GETNAME")).toBe("$8\r\nsomebody\r\n");
  expect(await named.ask("CLIENT", "ID")).toBe(id);
  expect(await three.ask("HGETALL", "h")).toBe("%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
  // And once more: the successor hands them on.
  expect(await succeed()).toMatchObject({ moved: 3, left: 0 });
  expect(await plain.ask("GET", "a")).toBe("$1\r\n1\r\n");
  expect(await named.ask("CLIENT", "GETNAME")).toBe("$8\r\nsomebody\r\n");
});

test("half a request goes along, small or large", async () => {
  const [small, large] = [await connect(), await connect()];
  small.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab");
  const value = "v".repeat(3_000_000);
  const request = `*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${value.length}\r\n${value}\r\n`;
  large.send(request.substring(0, 2_000_000));
  await large.sent();
  // Both are known to the old worker once it has answered somebody else who came later.
  const other = await connect();
  expect(await other.ask("PING")).toBe("+PONG\r\n");
  await succeed();
  small.send("cde\r\n");
  expect(`${await small.reply()}`).toBe("+OK\r\n");
  large.send(request.substring(2_000_000));
  expect(`${await large.reply()}`).toBe("+OK\r\n");
  expect(await small.ask("GET", "k")).toBe("$5\r\nabcde\r\n");
  expect(await large.ask("STRLEN", "big")).toBe(`:${value.length}\r\n`);
});

test("a reply that the client has only begun to read arrives whole", async () => {
  const client = await connect();
  const value = "0123456789".repeat(2_000_000);
  expect(await client.ask("SET", "big", value)).toBe("+OK\r\n");
  client.pause();
  client.command(["GET", "big"], ["PING"]);
  await client.sent();
  const other = await connect();
  // The big reply is with the proxy when a later one from the same server has passed it.
  expect(await other.ask("STRLEN", "big")).toBe(`:${value.length}\r\n`);
  await succeed();
  client.resume();
  expect((await client.reply()).equals(Buffer.from(`$${value.length}\r\n${value}\r\n`))).toBe(true);
  expect(`${await client.reply()}`).toBe("+PONG\r\n");
});

test("clients of every kind lose no reply and get none twice", async () => {
  const endpoint = { host: "127.0.0.1", port };
  const load = await SteadyLoad.start({ endpoint, pipelining: 20, idle: 50, halfway: 3 });
  for (let round = 0; round < 4; round++) {
    const before = load.requests;
    expect(await succeed()).toMatchObject({ left: 0 });
    await until("the load goes on", () => load.requests > before + 1000);
  }
  await load.stop();
  expect(load.errors).toEqual([]);
}, 120_000);

test("a few are moved to even out, and both workers go on", async () => {
  const all = await Promise.all(Array.from({ length: 10 }, connect));
  for (const client of all) await client.ask("PING");
  const second = await generation.start(false);
  expect(await old.handOverTo(second, 4, "pool")).toMatchObject({ moved: 4, left: 6 });
  for (const client of all) expect(await client.ask("SET", "x", "1")).toBe("+OK\r\n");
  const clientsOf = async (worker: TestWorker): Promise<number> => {
    const pong = worker.message("pong");
    worker.send({ type: "ping", id: 1 });
    return (await pong).clients;
  };
  expect(await clientsOf(old)).toBe(6);
  expect(await clientsOf(second)).toBe(4);
});

test("many more packets than a socket holds", async () => {
  const all = await Promise.all(Array.from({ length: 700 }, connect));
  expect((await succeed()).moved).toBe(700);
  for (const client of all) client.command(["PING"]);
  for (const client of all) expect(`${await client.reply()}`).toBe("+PONG\r\n");
}, 120_000);
