/**
 * Text, meta and binary clients on one port, all at once, with neighbours that send nonsense: nobody sees what is
 * another's, and all protocols see the same items.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { BinaryClient, encodeRequest, storageExtras } from "../support/binary-client.ts";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { memcachePool, type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { anyTextRequest } from "../support/random-text.ts";
import { SEED } from "../support/seed.ts";
import { TextClient } from "../support/text-client.ts";
import { tracked } from "../support/tracked.ts";

const ROUNDS = 60;
const CLIENTS = 4;
const OPCODE = { get: 0x00, set: 0x01, noop: 0x0a, getKeyQuiet: 0x0d };

const endpoint = { host: "127.0.0.1", port: freePort() };
let servers: MemcachedServer[] = [];
let proxy: ProxyProcess;

beforeAll(async () => {
  servers = await Promise.all(Array.from({ length: 4 }, () => startMemcached()));
  const config = memcachePool({ listen: `${endpoint.host}:${endpoint.port}`, servers });
  // One worker: all share its connections.
  proxy = await startProxy({ config, args: ["--workers", "1"] });
});

afterAll(async () => {
  await proxy?.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

/** Keys and values that no other client has. */
function ownItems(name: string, round: number): [key: string, value: string][] {
  return Array.from({ length: 12 }, (_, i) => {
    const length = (round * 37 + i * 101) % 700;
    return [`${name}:${i}`, `${name}/${round}/${i}/${"v".repeat(length)}`];
  });
}

async function textClient(name: string): Promise<void> {
  const client = await TextClient.connect(endpoint);
  for (let round = 0; round < ROUNDS; round++) {
    const items = ownItems(name, round);
    const sets = items.map(([key, value], i) => {
      return `set ${key} 0 0 ${value.length}${i % 2 === 0 ? " noreply" : ""}\r\n${value}\r\n`;
    });
    client.send(`${sets.join("")}get ${items.map(([key]) => key).join(" ")}\r\n`);
    const stored = "STORED\r\n".repeat(items.length / 2);
    const values = items.map(([key, value]) => `VALUE ${key} 0 ${value.length}\r\n${value}\r\n`);
    expect((await client.until("END\r\n")).toString("latin1")).toBe(
      `${stored}${values.join("")}END\r\n`,
    );
  }
  client.close();
}

async function metaClient(name: string): Promise<void> {
  const client = await TextClient.connect(endpoint);
  for (let round = 0; round < ROUNDS; round++) {
    const items = ownItems(name, round);
    const sets = items.map(([key, value]) => `ms ${key} ${value.length} q\r\n${value}\r\n`);
    const gets = items.map(([key], i) => `mg ${key} v q O${i}\r\nmg ${key}:none v q\r\n`);
    client.send(`${sets.join("")}${gets.join("")}mn\r\n`);
    const values = items.map(([, value], i) => `VA ${value.length} O${i}\r\n${value}\r\n`);
    expect((await client.until("MN\r\n")).toString("latin1")).toBe(`${values.join("")}MN\r\n`);
  }
  client.close();
}

async function binaryClient(name: string): Promise<void> {
  const client = await BinaryClient.connect(endpoint);
  for (let round = 0; round < ROUNDS; round++) {
    const items = ownItems(name, round);
    for (const [key, value] of items) {
      client.send(encodeRequest({ opcode: OPCODE.set, extras: storageExtras(), key, value }));
    }
    for (const _ of items) expect((await client.reply()).status).toBe(0);
    for (const [i, [key]] of items.entries()) {
      client.send(encodeRequest({ opcode: OPCODE.getKeyQuiet, key, opaque: i }));
      client.send(encodeRequest({ opcode: OPCODE.getKeyQuiet, key: `${key}:none`, opaque: 500 }));
    }
    client.send(encodeRequest({ opcode: OPCODE.noop, opaque: 1000 }));
    const replies = await client.repliesUpTo(1000);
    expect(replies.map(({ key, value }) => [key, value])).toEqual([...items, ["", ""]]);
    expect(replies.map(({ opaque }) => opaque)).toEqual([...items.keys(), 1000]);
  }
  client.close();
}

/** Requests on the keys of random-text.ts, and pieces of them; not flush_all, which everybody would notice. */
async function nonsenseText(seed: number): Promise<void> {
  const requests = fc.sample(anyTextRequest, { seed, numRuns: ROUNDS * 4 });
  for (let at = 0; at < requests.length; at += 8) {
    const client = await TextClient.connect(endpoint);
    const some = requests.filter(
      (text, i) => i >= at && i < at + 8 && !/flush|shutdown/.test(text),
    );
    client.send(some.join("").substring(0, 50_000 - at));
    // Hangs up with replies on their way.
    await Bun.sleep(0);
    client.close();
  }
}

async function nonsenseBinary(seed: number): Promise<void> {
  const headers = fc.sample(fc.uint8Array({ minLength: 23, maxLength: 60 }), {
    seed,
    numRuns: ROUNDS,
  });
  for (const bytes of headers) {
    const client = await BinaryClient.connect(endpoint);
    const request = Buffer.from([0x80, ...bytes]);
    // Neither FLUSH nor FLUSHQ.
    if (request[1] === 0x08 || request[1] === 0x18) request[1] = 0xff;
    client.send(encodeRequest({ opcode: OPCODE.get, key: "nothing" }));
    client.send(request);
    await Bun.sleep(0);
    client.close();
  }
}

test("concurrent clients of all protocols, with malformed neighbours", async () => {
  console.log(`PROPERTY_SEED=${SEED}`);
  const clients = Array.from({ length: CLIENTS }, (_, i) => [
    textClient(`text${i}`),
    metaClient(`meta${i}`),
    binaryClient(`binary${i}`),
    nonsenseText(SEED + i),
    nonsenseBinary(SEED + i),
  ]);
  await Promise.all(clients.flat());
  expect(proxy.stderr()).not.toMatch(/trouble|error/);
}, 120_000);

const edit = fc.record({
  at: fc.nat(),
  remove: fc.nat({ max: 3 }),
  insert: fc.constantFrom(
    ..."|\r\n|\r|\n| |  |\0|0|-|+|9|99999999999| noreply| q| b|\x80|\xff".split("|"),
  ),
});
/** Sound requests with some bytes replaced, inserted or removed; not flush_all, which everybody would notice. */
const broken = fc
  .tuple(
    fc.array(anyTextRequest, { minLength: 1, maxLength: 6 }),
    fc.array(edit, { minLength: 1, maxLength: 4 }),
  )
  .map(([requests, edits]) => {
    let script = requests.filter((text) => text.length < 5000 && !text.includes("flush")).join("");
    for (const { at, remove, insert } of edits) {
      const from = at % (script.length + 1);
      script = script.substring(0, from) + insert + script.substring(from + remove);
    }
    return script;
  });

test("broken requests harm only their own connection", async () => {
  const innocent = await TextClient.connect(endpoint);
  let round = 0;
  const attack = tracked(async (script: string) => {
    const client = await TextClient.connect(endpoint);
    client.send(script);
    // Its replies are on their way while the other's request is.
    const key = `innocent:${round++}`;
    const value = `${key}/value`;
    innocent.send(
      `set ${key} 0 0 ${value.length}\r\n${value}\r\nget ${key} ${key}x\r\nmg ${key} s k\r\n`,
    );
    const replies = (await innocent.until(` k${key}\r\n`)).toString("latin1");
    const hit = `VALUE ${key} 0 ${value.length}\r\n${value}\r\n`;
    expect(replies).toBe(`STORED\r\n${hit}END\r\nHD s${value.length} k${key}\r\n`);
    client.close();
  });
  const property = fc.asyncProperty(broken, attack.check);
  await fc.assert(property, { seed: SEED, numRuns: 100_000, interruptAfterTimeLimit: 5_000 });
  await attack.settled();
  expect(proxy.stderr()).not.toMatch(/trouble|error/);
  innocent.close();
}, 120_000);

test("all protocols see the same items", async () => {
  const text = await TextClient.connect(endpoint);
  const binary = await BinaryClient.connect(endpoint);
  for (let i = 0; i < 40; i++) {
    const key = `shared:${i}`;
    expect(await text.ask(`set ${key} 5 0 1\r\nt\r\n`)).toBe("STORED\r\n");
    expect((await binary.ask({ opcode: OPCODE.get, key })).value).toBe("t");
    const set = { opcode: OPCODE.set, extras: storageExtras(7), key, value: "bb" };
    expect((await binary.ask(set)).status).toBe(0);
    expect(await text.ask(`mg ${key} f v\r\n`, "bb\r\n")).toBe("VA 2 f7\r\nbb\r\n");
    expect(await text.ask(`ms ${Buffer.from(key).toString("base64")} 3 b F9\r\nccc\r\n`)).toBe(
      "HD\r\n",
    );
    expect((await binary.ask({ opcode: OPCODE.get, key })).value).toBe("ccc");
    expect(await text.ask(`get ${key}\r\n`, "END\r\n")).toBe(`VALUE ${key} 9 3\r\nccc\r\nEND\r\n`);
  }
  text.close();
  binary.close();
});
