/** The text protocol over several servers: what is split, merged, refused and swallowed, and what happens when a server dies. */
import { afterEach, describe, expect, test } from "bun:test";
import { readClusterConfig } from "../../src/topology/discovery/cluster-config.ts";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import {
  keysByServer,
  memcachePool,
  type ProxyProcess,
  startProxy,
} from "../support/proxy-process.ts";
import { TextClient } from "../support/text-client.ts";

const HOST = "127.0.0.1";
const POLL_DEADLINE_MS = 30_000;

/** What a test started, ended after it in reverse order. */
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startServers(count: number, ...args: string[]): Promise<MemcachedServer[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => startMemcached({ args })));
  cleanups.push(() => Promise.all(servers.map((server) => server.stop())));
  return servers;
}

/** A proxy with one worker, so that all clients share its connections. */
async function proxyOver(
  servers: readonly MemcachedServer[],
  ...lines: string[]
): Promise<ProxyProcess> {
  const config = memcachePool({ listen: `${HOST}:${freePort()}`, servers, lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  cleanups.push(() => proxy.stop());
  return proxy;
}

async function connect({ endpoints: [endpoint] }: ProxyProcess): Promise<TextClient> {
  if (endpoint === undefined) throw new Error("the proxy listens nowhere");
  const client = await TextClient.connect(endpoint);
  cleanups.push(() => client.close());
  return client;
}

async function direct({ host, port }: MemcachedServer): Promise<TextClient> {
  const client = await TextClient.connect({ host, port });
  cleanups.push(() => client.close());
  return client;
}

/** All replies to `request`, up to that of a barrier behind it. */
async function replies(client: TextClient, request: string): Promise<string> {
  const text = await client.ask(`${request}mn\r\n`, "MN\r\n");
  return text.substring(0, text.length - "MN\r\n".length);
}

describe("over four servers", () => {
  const [keys0 = [], keys1 = [], keys2 = [], keys3 = []] = keysByServer(4, 50);
  const keys = keys0.flatMap((key, i) => [key, keys1[i]!, keys2[i]!, keys3[i]!]);

  async function start(): Promise<{
    client: TextClient;
    servers: MemcachedServer[];
    proxy: ProxyProcess;
  }> {
    const servers = await startServers(4);
    const proxy = await proxyOver(servers);
    return { client: await connect(proxy), servers, proxy };
  }

  test("a get of many keys comes in the client's order, without the misses", async () => {
    const { client } = await start();
    const stored = keys.filter((_, i) => i % 3 !== 0);
    const sets = stored.map((key) => `set ${key} 7 0 ${key.length} noreply\r\n${key}\r\n`).join("");
    expect(await replies(client, sets)).toBe("");
    const order = [...keys, ...keys].sort((a, b) => (a < b ? 1 : -1));
    const wanted = order
      .filter((key) => stored.includes(key))
      .map((key) => `VALUE ${key} 7 ${key.length}\r\n${key}\r\n`);
    expect(await replies(client, `get ${order.join(" ")}\r\n`)).toBe(`${wanted.join("")}END\r\n`);
    expect(await replies(client, `gat 1000 ${order.join(" ")}\r\n`)).toBe(
      `${wanted.join("")}END\r\n`,
    );
    const withCas = await replies(client, `gets ${order.join("  ")}\r\n`);
    expect(withCas.replaceAll(/^(VALUE \S+ 7 \d+) \d+/gm, "$1")).toBe(`${wanted.join("")}END\r\n`);
  });

  test("lines with thousands of long keys", async () => {
    const { client } = await start();
    const long = Array.from({ length: 3000 }, (_, i) => `${"long-key-".repeat(20)}${i}`);
    const sets = long
      .map((key, i) => `set ${key} 0 0 ${`${i}`.length} noreply\r\n${i}\r\n`)
      .join("");
    expect(await replies(client, sets)).toBe("");
    const wanted = long.map((key, i) => `VALUE ${key} 0 ${`${i}`.length}\r\n${i}\r\n`).join("");
    expect((await replies(client, `get ${long.join(" ")}\r\n`)) === `${wanted}END\r\n`).toBe(true);
    // Servers hang up on such a line when it comes in pieces; they never see it.
    expect((await replies(client, `gat 0 ${long.join(" ")}\r\n`)) === `${wanted}END\r\n`).toBe(
      true,
    );
  });

  test("large values: twenty of a megabyte in one get", async () => {
    const { client } = await start();
    const size = 1_000_000;
    const some = keys.filter((_, i) => i < 20);
    for (const key of some)
      client.send(`set ${key} 0 0 ${size}\r\n${key[key.length - 1]?.repeat(size)}\r\n`);
    for (const _ of some) expect(`${await client.until("\r\n")}`).toBe("STORED\r\n");
    const got = await replies(client, `get ${some.join(" ")}\r\n`);
    const wanted = some.map(
      (key) => `VALUE ${key} 0 ${size}\r\n${key[key.length - 1]?.repeat(size)}\r\n`,
    );
    expect(got === `${wanted.join("")}END\r\n`).toBe(true);
  });

  test("cas with what gets and meta gave", async () => {
    const { client } = await start();
    for (const key of keys.filter((_, i) => i < 8)) {
      await client.ask(`set ${key} 0 0 1\r\n1\r\n`);
      const [, unique] =
        /^VALUE \S+ 0 1 (\d+)/.exec(await client.ask(`gets ${key}\r\n`, "END\r\n")) ?? [];
      expect(await client.ask(`cas ${key} 0 0 1 ${unique}\r\n2\r\n`)).toBe("STORED\r\n");
      expect(await client.ask(`cas ${key} 0 0 1 ${unique}\r\n3\r\n`)).toBe("EXISTS\r\n");
      const [, meta] = / c(\d+)/.exec(await client.ask(`mg ${key} c\r\n`)) ?? [];
      expect(await client.ask(`ms ${key} 1 C${meta}\r\n4\r\n`)).toBe("HD\r\n");
      expect(await client.ask(`get ${key}\r\n`, "END\r\n")).toBe(
        `VALUE ${key} 0 1\r\n4\r\nEND\r\n`,
      );
    }
  });

  test("meta keys in base64 are the keys of everybody else", async () => {
    const { client } = await start();
    for (const key of keys.filter((_, i) => i < 8)) {
      const encoded = Buffer.from(key).toString("base64");
      expect(await client.ask(`ms ${encoded} 2 b\r\nhi\r\n`)).toBe("HD\r\n");
      expect(await client.ask(`get ${key}\r\n`, "END\r\n")).toBe(
        `VALUE ${key} 0 2\r\nhi\r\nEND\r\n`,
      );
      expect(await client.ask(`md ${encoded} b q\r\nmg ${key}\r\n`)).toBe("EN\r\n");
    }
  });

  test("a pipeline of quiet meta gets ended by mn: hits only, in order", async () => {
    const { client } = await start();
    const stored = keys.filter((_, i) => i % 2 === 0);
    const sets = stored.map((key) => `ms ${key} 3 q\r\nabc\r\n`).join("");
    expect(await replies(client, sets)).toBe("");
    const gets = keys.map((key, i) => `mg ${key} v q k O${i}\r\n`).join("");
    const wanted = keys.flatMap((key, i) => (i % 2 === 0 ? [`VA 3 k${key} O${i}\r\nabc\r\n`] : []));
    expect(await replies(client, gets)).toBe(wanted.join(""));
  });

  test("flush_all empties all of them, and says so once", async () => {
    const { client, servers } = await start();
    const sets = keys.map((key) => `set ${key} 0 0 1 noreply\r\n1\r\n`).join("");
    expect(await replies(client, `${sets}flush_all\r\nget ${keys.join(" ")}\r\n`)).toBe(
      "OK\r\nEND\r\n",
    );
    expect(await replies(client, `${sets}flush_all noreply\r\nget ${keys.join(" ")}\r\n`)).toBe(
      "END\r\n",
    );
    expect(await replies(client, `${sets}flush_all 1000\r\n`)).toBe("OK\r\n");
    for (const server of servers) {
      const stats = await (await direct(server)).ask("stats\r\n", "END\r\n");
      expect(stats).toContain("STAT cmd_flush 3\r\n");
    }
  });

  test("statistics are those of all servers", async () => {
    const { client, servers } = await start();
    const sets = keys.map((key) => `set ${key} 0 0 1 noreply\r\n1\r\n`).join("");
    expect(await replies(client, sets)).toBe("");
    const stats = await client.ask("stats\r\n", "END\r\n");
    expect(stats).toContain(`STAT curr_items ${keys.length}\r\n`);
    expect(stats).toContain(`STAT cmd_set ${keys.length}\r\n`);
    expect(stats).toContain("STAT version 1.6.18\r\n");
    expect(stats).toContain(`STAT limit_maxbytes ${servers.length * 16 * 1024 * 1024}\r\n`);
    expect(await client.ask("stats settings\r\n", "END\r\n")).toContain(
      `STAT maxbytes ${servers.length * 16 * 1024 * 1024}\r\n`,
    );
    expect(await client.ask("stats items\r\n", "END\r\n")).toContain(
      `STAT items:1:number ${keys.length}\r\n`,
    );
    expect(await client.ask("stats slabs\r\n", "END\r\n")).toContain("STAT 1:chunk_size 96\r\n");
    expect(await client.ask("stats reset\r\n")).toBe("RESET\r\n");
    expect(await client.ask("stats\r\n", "END\r\n")).toContain("STAT cmd_set 0\r\n");
    expect(await client.ask("stats detail on\r\n")).toBe("OK\r\n");
    expect(await client.ask("stats conns\r\n")).toStartWith("CLIENT_ERROR stats conns ");
    expect(await client.ask("stats nothing\r\n")).toBe("ERROR\r\n");
  });

  test("what concerns one server is refused, and says why", async () => {
    const { client, proxy } = await start();
    for (const request of [
      "watch",
      "cache_memlimit 64",
      "slabs automove 1",
      "lru mode flat",
      "lru_crawler metadump all",
      "debugtime p",
    ]) {
      const reply = await client.ask(`${request}\r\n`);
      expect(reply).toStartWith(
        `CLIENT_ERROR ${request.split(" ")[0]} is not available through the proxy`,
      );
    }
    expect(await client.ask("shutdown\r\n")).toBe("ERROR: shutdown not enabled\r\n");
    expect(await client.ask("version\r\n")).toBe("VERSION 1.6.18\r\n");
    const { port } = proxy.endpoints[0] as { readonly port: number };
    const found = await client.ask("config get cluster\r\n", "END\r\n");
    expect(readClusterConfig(Buffer.from(found)).map(({ address }) => address)).toEqual([
      { kind: "tcp", host: HOST, port },
    ]);
    const [, bytes, config] = /^CONFIG cluster 0 (\d+)\r\n([\s\S]*)\r\nEND\r\n$/.exec(found)!;
    expect(config).toHaveLength(Number(bytes));
    expect(await client.ask("config get other\r\n")).toBe("ERROR\r\n");
    expect(await client.ask("verbosity 1\r\n")).toBe("OK\r\n");
    client.send(`get ${keys[0]}\r\nquit\r\nget ${keys[1]}\r\n`);
    expect(`${await client.untilClosed()}`).toBe("END\r\n");
  });
});

describe("one dead server of four", () => {
  const [keys0 = [], keys1 = [], keys2 = [], keys3 = []] = keysByServer(4, 3);
  const [dead = ""] = keys2;
  const alive = [...keys0, ...keys1, ...keys3];
  const failed = /^SERVER_ERROR (Connection (refused|reset)|Host is down)[^\r\n]*\r\n$/;

  async function start(...lines: string[]): Promise<{ client: TextClient; dies: MemcachedServer }> {
    const servers = await startServers(4);
    const client = await connect(await proxyOver(servers, "timeout: 60000", ...lines));
    for (const key of [...alive, dead]) {
      expect(await client.ask(`set ${key} 0 0 ${key.length}\r\n${key}\r\n`)).toBe("STORED\r\n");
    }
    const dies = servers[2]!;
    await dies.stop();
    // Until the loss is noticed, a request may be told that its connection was lost.
    return { client, dies };
  }
  const hits = (names: readonly string[]): string =>
    `${names.map((key) => `VALUE ${key} 0 ${key.length}\r\n${key}\r\n`).join("")}END\r\n`;

  test("its keys fail, at once, and the others do not notice", async () => {
    const { client } = await start();
    expect(await client.ask(`get ${dead}\r\n`)).toMatch(failed);
    expect(await client.ask(`get ${alive.join(" ")} ${dead}\r\n`)).toMatch(failed);
    expect(await client.ask(`mg ${dead} v q\r\n`)).toMatch(failed);
    expect(await client.ask(`ms ${dead} 1 q\r\nx\r\n`)).toMatch(failed);
    expect(await client.ask("flush_all\r\n")).toMatch(failed);
    const quiet = `set ${dead} 0 0 1 noreply\r\n1\r\ndelete ${dead} noreply\r\nincr ${dead} 1 noreply\r\n`;
    expect(await replies(client, quiet)).toBe("");
    expect(await replies(client, `set ${alive[0]} 0 0 1\r\nx\r\n`)).toBe("STORED\r\n");
  });

  test("statistics are those of the others", async () => {
    const { client } = await start();
    await client.ask(`get ${dead}\r\n`);
    expect(await client.ask("stats\r\n", "END\r\n")).toContain(
      `STAT curr_items ${alive.length}\r\n`,
    );
  });

  test("with dead_server: miss reads find nothing there, writes fail", async () => {
    const { client } = await start("dead_server: miss");
    for (let round = 0; round < 3; round++) {
      expect(await replies(client, `get ${dead}\r\n`)).toBe("END\r\n");
      expect(await replies(client, `gat 0 ${dead}\r\n`)).toBe("END\r\n");
      expect(await replies(client, `get ${dead} ${alive.join(" ")} ${dead}\r\n`)).toBe(hits(alive));
      expect(await replies(client, `gets ${dead} ${dead}\r\n`)).toBe("END\r\n");
      expect(await replies(client, `mg ${dead} v\r\n`)).toBe("EN\r\n");
      expect(await replies(client, `mg ${dead} v k Oa1\r\n`)).toBe(`EN k${dead} Oa1\r\n`);
      expect(await replies(client, `mg ${dead} v q\r\n`)).toBe("");
      expect(await replies(client, `set ${dead} 0 0 1\r\nx\r\n`)).toMatch(failed);
      expect(await replies(client, `ms ${dead} 1\r\nx\r\n`)).toMatch(failed);
    }
  });

  test("it is used again when it is back", async () => {
    const { client, dies } = await start("dead_server: miss");
    expect(await replies(client, `get ${dead}\r\n`)).toBe("END\r\n");
    const again = await startMemcached({ port: dies.port });
    cleanups.push(() => again.stop());
    const deadline = performance.now() + POLL_DEADLINE_MS;
    while ((await client.ask(`set ${dead} 0 0 1\r\nx\r\n`)) !== "STORED\r\n") {
      if (performance.now() > deadline) throw new Error("the server is not used");
      await Bun.sleep(10);
    }
    expect(await client.ask(`get ${dead}\r\n`, "END\r\n")).toBe(
      `VALUE ${dead} 0 1\r\nx\r\nEND\r\n`,
    );
  });
});

test("a client too many is told so", async () => {
  const proxy = await proxyOver(await startServers(1), "client_connections: 1");
  const first = await connect(proxy);
  expect(await first.ask("mn\r\n")).toBe("MN\r\n");
  const second = await connect(proxy);
  expect(`${await second.untilClosed()}`).toBe("ERROR Too many open connections\r\n");
  expect(await first.ask("get a\r\n")).toBe("END\r\n");
});

describe("nothing shifts anybody's replies", () => {
  test("noreply requests that fail on the server", async () => {
    const proxy = await proxyOver(await startServers(1));
    const [one, other] = [await connect(proxy), await connect(proxy)];
    const large = "x".repeat(1_048_577);
    const wrong = [
      `set a 0 0 ${large.length} noreply\r\n${large}\r\n`,
      "set b 0 0 1 noreply\r\nx\r\nincr b 1 noreply\r\n",
      "append nothing 0 0 1 noreply\r\nx\r\n",
      "cas b 0 0 1 99999999 noreply\r\nx\r\n",
      "incr nothing 1 noreply\r\ntouch nothing 0 noreply\r\ndelete nothing noreply\r\n",
      "flush_all noreply\r\nverbosity 0 noreply\r\n",
    ];
    one.send(wrong.join("").repeat(3));
    for (let i = 0; i < 50; i++) {
      expect(await other.ask(`set o${i} 0 0 3\r\n${100 + i}\r\n`)).toBe("STORED\r\n");
      expect(await other.ask(`incr o${i} 1\r\n`)).toMatch(
        new RegExp(`^(${101 + i}|NOT_FOUND)\r\n$`),
      );
    }
    expect(await replies(one, "get nothing\r\n")).toBe("END\r\n");
  });

  test("keys with line feeds, which memcached would repeat in a reply line", async () => {
    const proxy = await proxyOver(await startServers(1));
    const [evil, other] = [await connect(proxy), await connect(proxy)];
    const key = Buffer.from("x\r\nVA 6\r\nstolen").toString("base64");
    expect(await evil.ask(`ma ${key} b N0\r\n`)).toBe("HD\r\n");
    for (const request of [`me ${key} b\r\n`, `mg ${key} b k v\r\n`, `mg ${key} q k b\r\n`]) {
      expect(await evil.ask(request)).toBe(
        "CLIENT_ERROR a key with a line feed cannot be part of a reply line\r\n",
      );
    }
    expect(await evil.ask(`mg ${key} b s\r\n`)).toBe("HD s1\r\n");
    expect(await other.ask("get a\r\n", "END\r\n")).toBe("END\r\n");
    expect(await replies(evil, "")).toBe("");
  });

  test("lengths beyond any item: answered at once, and the data is passed over", async () => {
    const proxy = await proxyOver(await startServers(2));
    const client = await connect(proxy);
    expect(await client.ask("set a 0 0 2147483645\r\n")).toBe(
      "SERVER_ERROR object too large for cache\r\n",
    );
    client.send("get a\r\n".repeat(1000));
    const other = await connect(proxy);
    expect(await other.ask("get a\r\n")).toBe("END\r\n");
    expect(client.unread.length).toBe(0);
    const overflowing = ["4294967297", "18446744073709551617", "-1"];
    for (const size of overflowing) {
      const reply = await replies(other, `set k 0 0 ${size}\r\nv\r\n`);
      expect(reply).toBe(
        size === "4294967297" ? "STORED\r\n" : "CLIENT_ERROR bad command line format\r\nERROR\r\n",
      );
    }
  });

  test("lines without end, and web browsers, are hung up on", async () => {
    const proxy = await proxyOver(await startServers(1));
    const endless = await connect(proxy);
    endless.send(`set ${"a".repeat(20_000)}`);
    expect(`${await endless.untilClosed()}`).toBe("CLIENT_ERROR line too long\r\n");
    const browser = await connect(proxy);
    browser.send("GET / HTTP/1.1\r\nHost: proxy\r\nset a 0 0 1\r\n1\r\n");
    await browser.untilClosed();
    expect(await (await connect(proxy)).ask("get a\r\n")).toBe("END\r\n");
    const long = await connect(proxy);
    expect(await long.ask(`mg a P${"p".repeat(3000)}\r\n`)).toBe("CLIENT_ERROR line too long\r\n");
    expect(await long.ask("mg a\r\n")).toBe("EN\r\n");
  });

  test("a client that does not read its replies holds up nobody, and gets them all in the end", async () => {
    const servers = await startServers(2);
    const proxy = await proxyOver(servers);
    const [slow, other] = [await connect(proxy), await connect(proxy)];
    const value = "v".repeat(500_000);
    expect(await slow.ask(`set big 0 0 ${value.length}\r\n${value}\r\n`)).toBe("STORED\r\n");
    slow.pause();
    const count = 100;
    slow.send("get big other\r\nget big\r\n".repeat(count / 2));
    for (let i = 0; i < 200; i++)
      expect(await other.ask(`set k${i} 0 0 1\r\nx\r\n`)).toBe("STORED\r\n");
    slow.resume();
    const wanted = `VALUE big 0 ${value.length}\r\n${value}\r\nEND\r\n`;
    for (let i = 0; i < count; i++) {
      expect((await slow.until("\r\nEND\r\n")).toString("latin1") === wanted).toBe(true);
    }
  });
});
