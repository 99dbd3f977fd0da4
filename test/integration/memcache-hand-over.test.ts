/** Memcached clients change their worker and notice nothing, whatever they speak and wherever they are in it. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { BinaryClient, encodeRequest, storageExtras } from "../support/binary-client.ts";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { memcachePool } from "../support/proxy-process.ts";
import { TextClient } from "../support/text-client.ts";
import { TestGeneration, type TestWorker } from "../support/worker-process.ts";

const GET = 0x00;
const SETQ = 0x11;
const NOOP = 0x0a;
const UNKNOWN = 0x70;

let servers: MemcachedServer[] = [];
let generation: TestGeneration;
let old: TestWorker;
let endpoint = { host: "127.0.0.1", port: 0 };
const clients: { close(): void }[] = [];

beforeEach(async () => {
  servers = await Promise.all([startMemcached(), startMemcached()]);
  endpoint = { host: "127.0.0.1", port: freePort() };
  const listen = `${endpoint.host}:${endpoint.port}`;
  generation = new TestGeneration(memcachePool({ listen, servers }), endpoint.port);
  old = await generation.start();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await generation.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

async function text(): Promise<TextClient> {
  const client = await TextClient.connect(endpoint);
  clients.push(client);
  return client;
}

async function binary(): Promise<BinaryClient> {
  const client = await BinaryClient.connect(endpoint);
  clients.push(client);
  return client;
}

/** Moves everybody to a successor and waits until the old worker is gone. @returns how many went */
async function succeed(): Promise<number> {
  const successor = await generation.start(false);
  const { moved, left } = await old.handOverTo(successor, null, "pool");
  expect(left).toBe(0);
  expect(await old.exited).toBe(0);
  old = successor;
  return moved;
}

/** What clients sent before is with the old worker once it has answered somebody who came later. */
async function settle(): Promise<void> {
  expect(await (await text()).ask("version\r\n")).toStartWith("VERSION");
}

test("clients that have not spoken yet choose their protocol afterwards", async () => {
  const [one, other] = [await text(), await binary()];
  await settle();
  expect(await succeed()).toBe(3);
  expect(await one.ask("set a 0 0 1\r\n1\r\n")).toBe("STORED\r\n");
  expect((await other.ask({ opcode: GET, key: "a" })).value).toBe("1");
});

test("half a text request goes along", async () => {
  const client = await text();
  client.send("set a 0 0 10\r\n01234");
  await settle();
  await succeed();
  expect(await client.ask("56789\r\n")).toBe("STORED\r\n");
  await succeed();
  expect(await client.ask("get a\r\n", "END\r\n")).toBe("VALUE a 0 10\r\n0123456789\r\nEND\r\n");
});

test("half a binary series goes along", async () => {
  const client = await binary();
  const set = encodeRequest({
    opcode: SETQ,
    key: "a",
    extras: storageExtras(),
    value: "0123456789",
  });
  client.send(Buffer.concat([set, set.subarray(0, set.length - 5)]));
  await settle();
  await succeed();
  client.send(Buffer.concat([set.subarray(set.length - 5), encodeRequest({ opcode: NOOP })]));
  expect((await client.reply()).opcode).toBe(NOOP);
  expect((await client.ask({ opcode: GET, key: "a" })).value).toBe("0123456789");
});

test("what was to be skipped is skipped by the successor", async () => {
  const client = await binary();
  // Would be requests, if it were looked at.
  const noop = encodeRequest({ opcode: NOOP });
  const body = Buffer.concat(Array.from({ length: 100 }, () => noop));
  const request = encodeRequest({ opcode: UNKNOWN, value: body.toString("latin1") });
  client.send(request.subarray(0, 1000));
  expect((await client.reply()).opcode).toBe(UNKNOWN);
  await succeed();
  client.send(Buffer.concat([request.subarray(1000), encodeRequest({ opcode: GET, key: "none" })]));
  expect((await client.reply()).opcode).toBe(GET);
});
