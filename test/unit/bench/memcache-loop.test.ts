/** The load generator for Memcached against a real one. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { KeySpace } from "../../../bench/key-space.ts";
import type { MemcacheLoopOrder } from "../../../bench/load/memcache-loop.ts";
import { checkMemcacheReplies, fillMemcached } from "../../../bench/memcached-servers.ts";
import { type MemcachedServer, startMemcached } from "../../support/memcached-server.ts";

const SPACE: KeySpace = { keys: 1000, valueBytes: 100 };
const PROGRAM = join(import.meta.dir, "../../../bench/load/memcache-loop.ts");

let server: MemcachedServer;

beforeAll(async () => {
  server = await startMemcached();
  await fillMemcached([server.port], SPACE);
});

afterAll(() => server.stop());

async function run(part: Partial<MemcacheLoopOrder>): Promise<{ code: number; text: string }> {
  const order: MemcacheLoopOrder = {
    ...{ ...SPACE, port: server.port, connections: 5, depth: 4, requests: 400 },
    ...{ command: "get", keysPerRequest: 1 },
    ...part,
  };
  const child = Bun.spawn([process.execPath, PROGRAM, JSON.stringify(order)], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const text = (await child.stdout.text()) + (await child.stderr.text());
  return { code: await child.exited, text };
}

async function commandCount(name: string): Promise<number> {
  let text = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = {
    data: (_: unknown, chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith("END\r\n")) resolve();
    },
  };
  const connection = await Bun.connect({ hostname: server.host, port: server.port, socket });
  connection.write("stats\r\n");
  await promise;
  connection.end();
  return Number(new RegExp(`${name} (\\d+)`).exec(text)?.[1]);
}

test.each([
  ["get", 1, "get_hits", 400],
  ["get", 100, "get_hits", 40_000],
  ["set", 1, "cmd_set", 400],
  ["mg", 1, "get_hits", 400],
  ["binary-get", 1, "get_hits", 400],
] as const)(
  "sends as many as it is told: %s of %d keys",
  async (command, keys, counter, wanted) => {
    const before = await commandCount(counter);
    const { code, text } = await run({ command, keysPerRequest: keys });
    expect(text).toContain("requestsPerSecond");
    expect(code).toBe(0);
    expect((await commandCount(counter)) - before).toBe(wanted);
  },
);

test("what is missing or wrong ends it", async () => {
  for (const speech of ["memcache-meta", "memcache-binary"] as const) {
    await checkMemcacheReplies(server.port, SPACE, speech, "memcached");
    const more = { ...SPACE, valueBytes: 99 };
    await expect(checkMemcacheReplies(server.port, more, speech, "memcached")).rejects.toThrow();
  }
  await checkMemcacheReplies(server.port, SPACE, "memcache", "memcached");
  expect((await run({ keys: 1_000_000, depth: 1 })).code).toBe(1);
  expect((await run({ valueBytes: 99 })).code).toBe(1);
  const smaller = { ...SPACE, valueBytes: 99 };
  await expect(checkMemcacheReplies(server.port, smaller, "memcache", "memcached")).rejects.toThrow(
    "memcached: 100 gets gave a wrong reply",
  );
});
