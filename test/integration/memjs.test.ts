/** memjs, the binary client of Node programs, does all that it can through four servers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Client } from "memjs";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { memcachePool, type ProxyProcess, startProxy } from "../support/proxy-process.ts";

const SERVERS = 4;

let servers: MemcachedServer[] = [];
let proxy: ProxyProcess;
let client: Client;

beforeAll(async () => {
  servers = await Promise.all(Array.from({ length: SERVERS }, () => startMemcached()));
  const listen = `127.0.0.1:${freePort()}`;
  proxy = await startProxy({ config: memcachePool({ listen, servers }) });
  // On a busy machine a request may take longer than its half second.
  client = Client.create(listen, { timeout: 10, retries: 1, logger: { log: () => {} } });
});

afterAll(async () => {
  client?.close();
  await proxy?.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

async function read(key: string): Promise<string | null> {
  const { value } = await client.get(key);
  return value === null ? null : value.toString("latin1");
}

test("set, get, delete", async () => {
  expect(await read("missing")).toBeNull();
  expect(await client.set("k", "value", {})).toBe(true);
  expect(await read("k")).toBe("value");
  expect(await client.delete("k")).toBe(true);
  expect(await client.delete("k")).toBe(false);
  expect(await read("k")).toBeNull();
});

test("add and replace", async () => {
  expect(await client.replace("ar", "1", {})).toBe(false);
  expect(await client.add("ar", "2", {})).toBe(true);
  expect(await client.add("ar", "3", {})).toBe(false);
  expect(await client.replace("ar", "4", {})).toBe(true);
  expect(await read("ar")).toBe("4");
});

test("append and prepend", async () => {
  // memcached says so with a status that memjs takes for an error.
  await expect(client.append("ap", "x")).rejects.toThrow("Item not stored");
  await client.set("ap", "b", {});
  expect(await client.append("ap", "c")).toBe(true);
  expect(await client.prepend("ap", "a")).toBe(true);
  // memjs 1.3.2 sends APPEND for both; without a proxy the result is the same.
  expect(await read("ap")).toBe("bca");
});

test("increment and decrement", async () => {
  expect((await client.increment("n", 5, { initial: 10 })).value).toBe(10);
  expect((await client.increment("n", 5, {})).value).toBe(15);
  expect((await client.decrement("n", 20, {})).value).toBe(0);
});

test("touch and expiry", async () => {
  expect(await client.touch("t", 100)).toBe(false);
  await client.set("t", "x", { expires: 100 });
  expect(await client.touch("t", 1000)).toBe(true);
  expect(await read("t")).toBe("x");
  // A moment of long ago.
  expect(await client.touch("t", 1_000_000_000)).toBe(true);
  expect(await read("t")).toBeNull();
});

test("many keys at once, with binary values and one of a megabyte", async () => {
  const values = Array.from({ length: 200 }, (_, index) => Buffer.alloc(index * 10, index));
  values.push(Buffer.alloc(1024 * 1024 - 200, "large"));
  await Promise.all(values.map((value, index) => client.set(`many:${index}`, value, {})));
  const found = await Promise.all(values.map((_, index) => client.get(`many:${index}`)));
  for (const [index, value] of values.entries()) {
    expect(found[index]?.value?.equals(value)).toBe(true);
  }
});

test("statistics and flush", async () => {
  const statistics = await new Promise<Record<string, string>>((resolve, reject) =>
    client.stats((error, _, found) => (found === null ? reject(error) : resolve(found))),
  );
  expect(statistics["threads"]).toBe(`${SERVERS}`);
  await client.set("f", "x", {});
  await client.flush();
  expect(await read("f")).toBeNull();
});
