/** What memcached_exporter reads of a server it reads of a pool of several: every series, with the right sums, over both protocols. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { BinaryClient } from "../support/binary-client.ts";
import { freePort } from "../support/free-port.ts";
import { joined, type ReadStatistics, type Series, seriesOf } from "../support/memcached-series.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import type { Endpoint } from "../support/server-process.ts";
import { TextClient } from "../support/text-client.ts";

setDefaultTimeout(60_000);

const STAT = 0x10;
let servers: MemcachedServer[] = [];
let proxy: ProxyProcess;
let port = 0;

beforeAll(async () => {
  servers = await Promise.all([
    startMemcached(),
    startMemcached({ args: ["-c", "200"] }),
    startMemcached(),
  ]);
  port = freePort();
  const list = servers.map((server, at) => `"${server.host}:${server.port}:1 s${at}"`);
  proxy = await startProxy({
    config: [
      "pools:",
      "  main:",
      `    listen: 127.0.0.1:${port}`,
      "    protocol: memcache",
      `    servers: [${list.join(", ")}]`,
      "",
    ].join("\n"),
    args: ["--workers", "1"],
  });
});

afterAll(async () => {
  await proxy.stop();
  for (const server of servers) await server.stop();
});

function textReader(client: TextClient): ReadStatistics {
  return async (kind) => {
    client.send(kind === "" ? "stats\r\n" : `stats ${kind}\r\n`);
    const text = `${await client.until("END\r\n")}`;
    const lines = text.split("\r\n").filter((line) => line.startsWith("STAT "));
    return new Map(
      lines.map((line) => {
        const [, name = "", ...words] = line.split(" ");
        return [name, words.join(" ")];
      }),
    );
  };
}

function binaryReader(client: BinaryClient): ReadStatistics {
  return async (kind) => {
    const found = new Map<string, string>();
    let reply = await client.ask({ opcode: STAT, key: kind });
    while (reply.key !== "") {
      found.set(reply.key, reply.value);
      reply = await client.reply();
    }
    expect(reply.status).toBe(0);
    return found;
  };
}

/** Commands of all kinds that are counted, hits and misses, small values and large ones. */
async function work(): Promise<void> {
  const client = await TextClient.connect({ host: "127.0.0.1", port });
  const lines: string[] = [];
  for (let i = 0; i < 60; i++) {
    const value = "7".repeat(i % 3 === 0 ? 1 : i * 40);
    lines.push(`set k${i} 0 0 ${value.length}\r\n${value}\r\n`, `get k${i}\r\n`);
    lines.push(`get no${i}\r\n`, `touch k${i} 0\r\n`, `touch no${i} 0\r\n`);
    lines.push(`incr n${i} 1\r\n`, `set n${i} 0 0 1\r\n5\r\n`, `incr n${i} 1\r\n`);
    lines.push(`decr n${i} 1\r\n`, `cas n${i} 0 0 1 1\r\n1\r\n`, `delete n${i}\r\n`);
    lines.push(`delete no${i}\r\n`, `decr no${i} 1\r\n`, `cas no${i} 0 0 1 1\r\n1\r\n`);
  }
  client.send(`${lines.join("")}version\r\n`);
  await client.until("VERSION ");
  client.close();
}

async function straight(
  connect: (at: Endpoint) => Promise<ReadStatistics>,
): Promise<Map<string, Series>[]> {
  return await Promise.all(
    servers.map(async ({ host, port: at }) => await seriesOf(await connect({ host, port: at }))),
  );
}

const PROTOCOLS = {
  text: async (at: Endpoint): Promise<ReadStatistics> => textReader(await TextClient.connect(at)),
  binary: async (at: Endpoint): Promise<ReadStatistics> =>
    binaryReader(await BinaryClient.connect(at)),
};

test.each(Object.entries(PROTOCOLS))("over %s", async (_, connect) => {
  await work();
  // Connections count as well: they are made before anything is read.
  const pool = await connect({ host: "127.0.0.1", port });
  await pool("");
  const before = joined(await straight(connect));
  const shown = await seriesOf(pool);
  const after = joined(await straight(connect));
  expect([...shown.keys()].sort()).toEqual([...before.keys()].sort());
  expect(shown.size).toBeGreaterThan(80);
  const wrong: string[] = [];
  for (const [name, { value }] of shown) {
    // To look changes what is looked at, and the servers go on with their lists of items.
    const [least, most] = [before.get(name)!, after.get(name)!].sort((a, b) => a - b);
    if (value < least! || value > most!) wrong.push(`${name}: ${value}, not ${least} to ${most}`);
  }
  expect(wrong).toEqual([]);
  expect(shown.get("max_connections")?.value).toBe(after.get("max_connections")!);
  expect(shown.get("current_items")?.value).toBe(60);
});
