/** auto_eject_hosts: where keys go when servers fail, and what clients read when the servers are back. */
import { afterEach, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { startNutcracker } from "../support/nutcracker.ts";
import { keysByServer, redisPool, startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import type { Endpoint } from "../support/server-process.ts";
import { countStaleReads } from "../support/stale-reads.ts";

const HOST = "127.0.0.1";
const DEADLINE_MS = 30_000;

/** What a test started, ended after it in reverse order. */
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function redisServers(count: number): Promise<RedisServer[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis()));
  for (const server of servers) cleanups.push(() => server.stop());
  return servers;
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms until ${what}`);
    await Bun.sleep(5);
  }
}

const EJECTING = ["auto_eject_hosts: true", "server_failure_limit: 2"];

test("all servers hang and come back a moment apart: no client reads what was overwritten", async () => {
  const servers = await redisServers(4);
  const config = redisPool({
    listen: `${HOST}:${freePort()}`,
    servers,
    lines: [...EJECTING, "timeout: 200", "server_retry_timeout: 500"],
  });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  cleanups.push(() => proxy.stop());
  const endpoint = proxy.endpoints[0]!;
  const keys = keysByServer(servers.length, 1).map(([key]) => key!);
  const client = await RespClient.connect(endpoint);
  cleanups.push(() => client.close());
  const load = countStaleReads(endpoint);
  cleanups.push(() => load.stop());
  await until("much is written", () => load.counts.writes > 1000);

  for (const { pid } of servers) process.kill(pid, "SIGSTOP");
  // Reaches servers that no other client happens to ask.
  const ask = async (key: string): Promise<boolean> =>
    (await client.ask("SET", key, "v")).startsWith("+");
  await until("all servers have failed", async () => {
    for (const key of keys) await ask(key);
    return failed(proxy.stderr()).size === servers.length;
  });
  for (const [index, { pid }] of servers.entries()) {
    process.kill(pid, "SIGCONT");
    const { writes } = load.counts;
    await until("its keys are served", () => ask(keys[index]!));
    await until("others write to it, too", () => load.counts.writes > writes + 300);
  }
  const { reads } = load.counts;
  await until("much is read", () => load.counts.reads > reads + 3000);
  await load.stop();
  expect(load.counts.stale).toBe(0);
}, 60_000);

/** The servers that were ejected, or would have been, so far. */
function failed(log: string): Set<string> {
  const lines = log.matchAll(/server (?:is ejected|has failed but is not ejected).* server=(\S+)/g);
  return new Set([...lines].map(([, server]) => server!));
}

for (const count of [2, 5]) {
  test(`one of ${count} servers is dead: every key is where nutcracker puts it`, async () => {
    const servers = await redisServers(count);
    const lines = [...EJECTING, "timeout: 10000", "server_retry_timeout: 600000"];
    const [ours, theirs] = [0, 1].map(() => ({ host: HOST, port: freePort() }));
    const listen = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`;
    const proxy = await startProxy({
      config: redisPool({ listen: listen(ours!), servers, lines }),
      args: ["--workers", "1"],
    });
    cleanups.push(() => proxy.stop());
    const nutcracker = await startNutcracker(
      redisPool({ listen: listen(theirs!), servers, lines }),
    );
    cleanups.push(() => nutcracker.stop());
    await servers[1]!.stop();
    const sample = keysByServer(count, 50).flat();
    const all = (endpoint: Endpoint, request: (key: string) => string[]) =>
      exchange(endpoint, sample.map(request));
    for (const endpoint of [ours!, theirs!]) {
      await until("the dead server is ejected", async () => {
        const replies = await all(endpoint, (key) => ["GET", key]);
        return replies.every((reply) => reply === null);
      });
    }
    await all(theirs!, (key) => ["SET", key, key]);
    const found = await all(ours!, (key) => ["GET", key]);
    expect(found.map(String)).toEqual(sample);
  }, 60_000);
}
