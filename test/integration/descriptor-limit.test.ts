/** More connections to servers are configured than the limit of open files allows. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { planDescriptors } from "../../src/base/descriptor-budget.ts";
import { freePort } from "../support/free-port.ts";
import { keysByServer, redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

setDefaultTimeout(120_000);

/** What a test started, ended after it in reverse order. */
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("as many clients are served as there is room for beside the servers, and the log says what to do", async () => {
  const servers = await Promise.all([startRedis(), startRedis()]);
  for (const server of servers) cleanups.push(() => server.stop());
  const proxy = await startProxy({
    config: redisPool({
      listen: `127.0.0.1:${freePort()}`,
      servers,
      lines: ["server_connections: 500"],
    }),
    args: ["--workers", "1"],
    wrapper: ["prlimit", "--nofile=1024:1024"],
  });
  cleanups.push(() => proxy.stop());
  expect(proxy.stderr().match(/has no room for 1000 connections to servers/g)?.length).toBe(1);
  const plan = planDescriptors(1024, [{ servers: 2, serverConnections: 500 }]);
  const keys = keysByServer(2, 1).map(([key]) => key!);
  for (let i = 0; i < plan.clients; i++) {
    const client = await RespClient.connect(proxy.endpoints[0]!);
    cleanups.push(() => client.close());
    // Each client has its own connection to each server, as long as there is one that is not used yet.
    expect([
      await client.ask("SET", keys[0]!, "v"),
      await client.ask("SET", keys[1]!, "v"),
    ]).toEqual(["+OK\r\n", "+OK\r\n"]);
    if (i < plan.clients - 1) continue;
    expect(await client.ask("MULTI")).toBe("+OK\r\n");
    expect(await client.ask("GET", keys[0]!)).toBe("+QUEUED\r\n");
    expect(await client.ask("EXEC")).toBe("*1\r\n$1\r\nv\r\n");
    expect(await client.ask("SELECT", "3")).toBe("+OK\r\n");
    expect(await client.ask("GET", keys[1]!)).toBe("$-1\r\n");
  }
  const next = await RespClient.connect(proxy.endpoints[0]!);
  expect(`${await next.untilClosed()}`).toStartWith(
    "-ERR max number of clients reached (the proxy's limit of open files, 1024, is reached)",
  );
});
