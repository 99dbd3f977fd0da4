/** memcapable, the conformance test of libmemcached, finds no difference between a memcached and the proxy. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { memcachePool, type ProxyProcess, startProxy } from "../support/proxy-process.ts";

const TIMEOUT_MS = 120_000;

describe.each([1, 4])("over %d server(s)", (count) => {
  const port = freePort();
  let servers: MemcachedServer[] = [];
  let proxy: ProxyProcess;

  beforeAll(async () => {
    servers = await Promise.all(Array.from({ length: count }, () => startMemcached()));
    proxy = await startProxy({ config: memcachePool({ listen: `127.0.0.1:${port}`, servers }) });
  });

  afterAll(async () => {
    await proxy?.stop();
    await Promise.all(servers.map((server) => server.stop()));
  });

  test.each([
    ["binary", "-b", 27],
    ["ascii", "-a", 27],
  ])(
    "%s",
    async (protocol, flag, tests) => {
      // Debian ships it under this name, so that it does not clash with another package.
      const command = ["memccapable", flag, "-h", "127.0.0.1", "-p", `${port}`];
      const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(await child.exited).toBe(0);
      const results = `${out}${err}`.split("\n").filter((line) => line.startsWith(protocol));
      expect(results.filter((line) => !line.includes("[pass]"))).toEqual([]);
      expect(results.length).toBe(tests);
    },
    TIMEOUT_MS,
  );
});
