/** Servers that are found: real servers come, move and leave while clients ask, over reload, and at a start without a source. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DnsServer } from "../support/dns-server.ts";
import { freePort } from "../support/free-port.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

afterEach(stopAll);

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await Bun.sleep(20);
}

test("servers of a file, of a name server and of a configuration endpoint", async () => {
  const directory = makeDirectory("discovery");
  const [a, b, c] = [await startRedis(), await startRedis(), await startRedis()];
  const here = await startRedis({ port: freePort() });
  const there = await startRedis({ host: "127.0.0.2", port: here.port });
  const cache = await startMemcached();
  for (const server of [a, b, c, here, there, cache]) stops.push(() => server.stop());
  const list = join(directory, "servers");
  const keep = join(directory, "kept");
  const line = (name: string, { port }: { readonly port: number }): string =>
    `127.0.0.1:${port}:1 ${name}\n`;
  writeFileSync(list, line("a", a) + line("b", b));
  const dns = await DnsServer.start();
  stops.push(async () => dns.stop());
  dns.set("db.test", [{ type: "A", ttl: 1, data: "127.0.0.1" }]);
  let asked = 0;
  const endpoint = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {
      asked++;
      const nodes = `1\nnode|127.0.0.1|${cache.port} gone|127.0.0.9|${cache.port}\n`;
      socket.write(`CONFIG cluster 0 ${nodes.length}\r\n${nodes}\r\nEND\r\n`);
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve));
  stops.push(async () => void endpoint.close());
  const endpointPort = (endpoint.address() as { port: number }).port;
  const ports = [freePort(), freePort(), freePort(), freePort()];
  const pool = (index: number, ...lines: string[]): string[] => [
    `  p${index}:`,
    `    listen: 127.0.0.1:${ports[index]}`,
    ...lines.map((text) => `    ${text}`),
  ];
  const config = [
    "pools:",
    ...pool(0, `discover: file:${list}`, "discover_interval: 1s", `discover_keep: ${keep}`),
    ...pool(
      1,
      "discover: names",
      `discover_resolver: ["${dns.address}"]`,
      `servers: ["db.test:${here.port}:1 db"]`,
    ),
    ...pool(2, "protocol: memcache", `discover: endpoint:127.0.0.1:${endpointPort}`),
    ...pool(3, `discover: dns:db.test:${here.port}`, `discover_resolver: ["${dns.address}"]`),
    "",
  ].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  const clientOf = async (index: number): Promise<RespClient> => {
    const client = await RespClient.connect({ host: "127.0.0.1", port: ports[index]! });
    stops.push(async () => client.close());
    return client;
  };
  const serversOf = async (index: number): Promise<string[]> => {
    const { pools = [] } = await statusOf(proxy);
    return pools
      .find(({ name }) => name === `p${index}`)!
      .servers.map(({ name }) => name)
      .sort();
  };
  const [files, names, found] = [await clientOf(0), await clientOf(1), await clientOf(3)];
  const keys = Array.from({ length: 60 }, (_, i) => `key:${i}`);

  // The first request already finds its servers.
  expect(await files.ask("MSET", ...keys.flatMap((key) => [key, "1"]))).toBe("+OK\r\n");
  expect(await serversOf(0)).toEqual(["a", "b"]);
  expect(await names.ask("SET", "k", "here")).toBe("+OK\r\n");
  expect(await found.ask("GET", "k")).toBe("$4\r\nhere\r\n");
  const text = await TextClient.connect({ host: "127.0.0.1", port: ports[2]! });
  stops.push(async () => text.close());
  expect(await serversOf(2)).toEqual([`gone:${cache.port}`, `node:${cache.port}`]);
  expect(asked).toBeGreaterThan(0);

  // One comes.
  writeFileSync(list, line("a", a) + line("b", b) + line("c", c));
  await until(async () => (await serversOf(0)).length === 3);
  await until(async () => {
    await files.ask("MSET", ...keys.flatMap((key) => [key, "1"]));
    return String(await exchange(c, [["DBSIZE"]])) !== "0";
  });

  // A name moves to another address, and the old server is alive.
  await exchange(there, [["SET", "k", "there"]]);
  dns.set("db.test", [{ type: "A", ttl: 1, data: "127.0.0.2" }]);
  await until(async () => (await names.ask("GET", "k")) === "$5\r\nthere\r\n");

  // One is not listed any more: it serves as long as it lives, through a reload, too.
  writeFileSync(list, line("b", b) + line("c", c));
  await mustRun(proxy, "reload");
  expect(await files.ask("MGET", ...keys)).toBe(`*60\r\n${"$1\r\n1\r\n".repeat(60)}`);
  expect(await serversOf(0)).toEqual(["a", "b", "c"]);
  expect(proxy.stderr()).toContain("servers are no longer found");
  await a.stop();
  await until(async () => (await serversOf(0)).join() === "b,c");
  expect(await files.ask("MSET", ...keys.flatMap((key) => [key, "1"]))).toBe("+OK\r\n");
  expect(existsSync(keep) && readFileSync(keep, "utf8")).toContain(" c\n");

  const online = await commandOf(proxy, "check", "--online");
  expect(online.output + online.errors).toContain("names 2 servers: b, c");

  // The source is gone when the proxy starts.
  await proxy.stop();
  const other = await startProxy({
    config: config.replace(`file:${list}`, "file:/nowhere/servers"),
    args: ["--workers", "1"],
  });
  stops.push(() => other.stop());
  const again = await clientOf(0);
  expect(await again.ask("MGET", ...keys)).toBe(`*60\r\n${"$1\r\n1\r\n".repeat(60)}`);
}, 60_000);
