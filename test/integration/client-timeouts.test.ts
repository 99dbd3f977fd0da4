/** Clients that are idle, or slow to send a request: which of them are closed, and what they are told. */
import { afterEach, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { statusOf } from "../support/run-command.ts";

const HOST = "127.0.0.1";
const DEADLINE_MS = 30_000;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms until ${what}`);
    await Bun.sleep(5);
  }
}

test("idle and slow clients are closed, and none that is neither", async () => {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const proxy = await startProxy({
    config: [
      "pools:",
      "  p:",
      `    listen: ${HOST}:${freePort()}`,
      "    client_idle_timeout: 400ms",
      "    request_timeout: 400ms",
      `    servers: ["${HOST}:${redis.port}:1"]`,
      "",
    ].join("\n"),
    args: ["--workers", "1"],
  });
  cleanups.push(() => proxy.stop());
  const connect = async (): Promise<RespClient> => {
    const client = await RespClient.connect(proxy.endpoints[0]!);
    cleanups.push(() => client.close());
    return client;
  };
  const [idle, slow, busy, subscriber, blocked, never] = await Promise.all(
    Array.from({ length: 6 }, connect),
  );
  await idle!.ask("PING");
  subscriber!.command(["SUBSCRIBE", "c"]);
  await subscriber!.reply();
  blocked!.command(["BLPOP", "list", "0"]);
  // One byte now and then: the connection is never idle.
  const drip = setInterval(() => slow!.send("x"), 50);
  cleanups.push(() => clearInterval(drip));
  slow!.send("*2\r\n$3\r\nGET\r\n$100000\r\n");
  let served = 0;
  const ask = setInterval(() => {
    void busy!.ask("SET", "k", "v").then(() => served++);
  }, 100);
  cleanups.push(() => clearInterval(ask));

  expect((await slow!.reply()).toString()).toContain("the request was not complete within 400 ms");
  await until("the slow one is closed", () => slow!.isClosed);
  await until("the idle one is closed", () => idle!.isClosed);
  await until("one that never sent anything is closed", () => never!.isClosed);
  expect(idle!.unread.length).toBe(0);
  const { counters } = (await statusOf(proxy)).pools![0]!;
  expect(counters.client_timed_out).toBe(3);
  const before = served;
  await until("the busy one is served on", () => served > before + 8);
  expect([busy!.isClosed, subscriber!.isClosed, blocked!.isClosed]).toEqual([false, false, false]);
  await busy!.ask("RPUSH", "list", "x");
  expect((await blocked!.reply()).toString()).toContain("list");
  expect(proxy.stderr()).toContain("it was idle for longer than client_idle_timeout");
  expect(proxy.stderr()).toContain("its request was not complete within request_timeout");
}, 60_000);
