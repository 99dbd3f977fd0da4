/** Servers that die, stall and lie; clients that do not read, or leave. Each test has a proxy of its own. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type FakeConnection, type FakeServer, startFakeServer } from "../support/fake-server.ts";
import { freePort } from "../support/free-port.ts";
import {
  keysByServer,
  type ProxyProcess,
  redisPool,
  startProxy,
} from "../support/proxy-process.ts";
import { exchange, type RedisCommand } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import type { Endpoint } from "../support/server-process.ts";
import { stopProcess } from "../support/stop-process.ts";

const HOST = "127.0.0.1";
/** So long that a test which waits for it has failed: what must be immediate comes before. */
const FAR_TIMEOUT = "timeout: 60000";
/** Long enough for a busy machine to answer what is to be answered. */
const SHORT_TIMEOUT = "timeout: 1500";
const POLL_DEADLINE_MS = 30_000;

/** What a test started, ended after it in reverse order. */
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function redis(port?: number): Promise<RedisServer> {
  const server = await startRedis(port === undefined ? {} : { port });
  cleanups.push(() => server.stop());
  return server;
}

function fake(...args: Parameters<typeof startFakeServer>): FakeServer {
  const server = startFakeServer(...args);
  cleanups.push(() => server.stop());
  return server;
}

type Server = { readonly host: string; readonly port: number };

/** A proxy with one worker, so that all clients share its connections and its view of the servers. */
async function proxyOver(servers: readonly Server[], ...lines: string[]): Promise<ProxyProcess> {
  const config = redisPool({ listen: `${HOST}:${freePort()}`, servers, lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  cleanups.push(() => proxy.stop());
  return proxy;
}

async function connect({ endpoints: [endpoint] }: ProxyProcess): Promise<RespClient> {
  if (endpoint === undefined) throw new Error("the proxy listens nowhere");
  const client = await RespClient.connect(endpoint);
  cleanups.push(() => client.close());
  return client;
}

/** Asks again and again until the reply is the wanted one. Until then only replies that fit `meanwhile` may come. */
async function untilReply(
  client: RespClient,
  command: RedisCommand,
  wanted: string,
  meanwhile = /^-ERR /,
): Promise<void> {
  const deadline = performance.now() + POLL_DEADLINE_MS;
  for (;;) {
    const reply = await client.ask(...command);
    if (reply === wanted) return;
    expect(reply).toMatch(meanwhile);
    if (performance.now() > deadline) throw new Error(`${command.join(" ")}: still ${reply}`);
    await Bun.sleep(10);
  }
}

/** Set through one server's own port: what a client of the proxy must then see. */
async function setDirectly(server: Endpoint, key: string, value: string): Promise<void> {
  await exchange(server, [["SET", key, value]]);
}

describe("one dead server of four", () => {
  const [keys0 = [], keys1 = [], keys2 = [], keys3 = []] = keysByServer(4, 3);
  const [dead = ""] = keys2;
  const alive = [...keys0, ...keys1, ...keys3];

  async function start(...lines: string[]): Promise<{
    client: RespClient;
    servers: RedisServer[];
    dies: RedisServer;
  }> {
    const servers = await Promise.all([redis(), redis(), redis(), redis()]);
    const client = await connect(await proxyOver(servers, ...lines));
    for (const key of [...alive, dead]) expect(await client.ask("SET", key, key)).toBe("+OK\r\n");
    const dies = servers[2];
    if (dies === undefined) throw new Error("no third server");
    await dies.stop();
    return { client, servers, dies };
  }

  test("only its keys fail, at once, and the connection stays open", async () => {
    const { client } = await start(FAR_TIMEOUT);
    client.command(...[...alive, dead, ...alive].map((key) => ["GET", key]));
    const replies = (await client.replies(2 * alive.length + 1)).map(String);
    const values = alive.map((key) => `$${key.length}\r\n${key}\r\n`);
    expect(replies.filter((_, index) => index !== alive.length)).toEqual([...values, ...values]);
    expect(replies[alive.length]).toMatch(/^-ERR (Connection (refused|reset)|Host is down)/);
    expect(await client.ask("GET", dead)).toMatch(/^-ERR (Connection refused|Host is down)/);
    // So many that the test would time out if each waited for an attempt to connect.
    for (let round = 0; round < 500; round++) {
      const reply = await client.ask("SET", dead, "x");
      expect(reply).toMatch(/^-ERR (Connection refused|Host is down)/);
    }
    expect(await client.ask("GET", alive[0] ?? "")).toBe(values[0] ?? "");
  });

  test.each(["MGET", "DEL", "EXISTS"])("%s that touches it gets one error", async (command) => {
    const { client } = await start(FAR_TIMEOUT);
    for (let round = 0; round < 3; round++) {
      client.command([command, ...alive, dead], ["ECHO", "next"]);
      const [reply, next] = (await client.replies(2)).map(String);
      expect(reply).toMatch(/^-ERR [^\r\n]*\r\n$/);
      expect(next).toBe("$4\r\nnext\r\n");
    }
    expect(await client.ask("EXISTS", ...alive)).toBe(
      `:${command === "DEL" ? 0 : alive.length}\r\n`,
    );
  });

  test("MSET that touches it gets one error", async () => {
    const { client } = await start(FAR_TIMEOUT);
    client.command(["MSET", ...alive.flatMap((key) => [key, "new"]), dead, "new"], ["PING"]);
    const [reply, next] = (await client.replies(2)).map(String);
    expect(reply).toStartWith("-ERR ");
    expect(next).toBe("+PONG\r\n");
  });

  test("it is used again when it is back", async () => {
    const { client, dies } = await start(FAR_TIMEOUT);
    expect(await client.ask("GET", dead)).toStartWith("-ERR ");
    await redis(dies.port);
    await untilReply(client, ["GET", dead], "$-1\r\n");
    expect(await client.ask("SET", dead, "again")).toBe("+OK\r\n");
    client.command(["MGET", alive[0] ?? "", dead]);
    expect(`${await client.reply()}`).toEndWith("$5\r\nagain\r\n");
  });

  test("with auto_eject_hosts its keys go elsewhere, and come home when it is back", async () => {
    const { client, dies } = await start(
      FAR_TIMEOUT,
      "auto_eject_hosts: true",
      "server_failure_limit: 2",
      "server_retry_timeout: 300",
    );
    await untilReply(client, ["SET", dead, "elsewhere"], "+OK\r\n");
    expect(await client.ask("GET", dead)).toBe("$9\r\nelsewhere\r\n");
    expect(await client.ask("MGET", ...alive, dead)).toStartWith(`*${alive.length + 1}\r\n`);
    const back = await redis(dies.port);
    await setDirectly(back, dead, "home");
    await untilReply(client, ["GET", dead], "$4\r\nhome\r\n", /^(-ERR |\$9\r\nelsewhere)/);
  });
});

test("a proxy whose servers are all dead answers errors, and serves when they come", async () => {
  const port = freePort();
  const client = await connect(await proxyOver([{ host: HOST, port }], FAR_TIMEOUT));
  for (let round = 0; round < 5; round++) {
    expect(await client.ask("GET", "k")).toMatch(/^-ERR (Connection refused|Host is down)/);
  }
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  await redis(port);
  await untilReply(client, ["SET", "k", "v"], "+OK\r\n");
});

describe("a server that stalls", () => {
  test("its request fails after the timeout, its late reply goes to nobody", async () => {
    let stalled: FakeConnection | null = null;
    const server = fake(([, key], connection) => {
      if (key === "stall") {
        stalled = connection;
        return null;
      }
      stalled?.send("$4\r\nlate\r\n");
      stalled = null;
      return `$${key?.length}\r\n${key}\r\n`;
    });
    const client = await connect(await proxyOver([server], SHORT_TIMEOUT));
    expect(await client.ask("GET", "before")).toBe("$6\r\nbefore\r\n");
    for (let round = 0; round < 3; round++) {
      expect(await client.ask("GET", "stall")).toStartWith("-ERR Connection timed out");
      // Some may fail while the proxy makes sure of the server; none may get the late reply.
      await untilReply(client, ["GET", "after"], "$5\r\nafter\r\n");
      expect(await client.ask("GET", "later")).toBe("$5\r\nlater\r\n");
    }
  });

  test("clients of other servers notice nothing, and replies keep their order", async () => {
    const server = fake(() => null);
    const good = await redis();
    const [[stall = ""] = [], [fine = ""] = []] = keysByServer(2, 1);
    const proxy = await proxyOver([server, good], SHORT_TIMEOUT);
    const [client, other] = [await connect(proxy), await connect(proxy)];
    client.command(["SET", fine, "1"], ["GET", stall], ["GET", fine], ["MGET", fine, stall]);
    for (let round = 0; round < 50; round++) {
      expect(await other.ask("SET", fine, "1")).toBe("+OK\r\n");
    }
    const replies = (await client.replies(4)).map(String);
    expect(replies[0]).toBe("+OK\r\n");
    expect(replies[1]).toStartWith("-ERR Connection timed out");
    expect(replies[2]).toBe("$1\r\n1\r\n");
    expect(replies[3]).toStartWith("-ERR ");
  });

  test("a server that accepts nothing any more is as good as dead", async () => {
    const server = await redis();
    const client = await connect(await proxyOver([server], SHORT_TIMEOUT));
    expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
    await stopProcess(server.pid);
    cleanups.push(() => process.kill(server.pid, "SIGCONT"));
    expect(await client.ask("GET", "k")).toStartWith("-ERR Connection timed out");
    process.kill(server.pid, "SIGCONT");
    await untilReply(client, ["GET", "k"], "$1\r\nv\r\n");
  });
});

describe("a server that lies", () => {
  const scripts: readonly (readonly [string, (connection: FakeConnection) => string | null])[] = [
    ["garbage", () => "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["a length that is no number", () => "$abc\r\n"],
    ["a negative count", () => "*-7\r\n"],
    ["a bulk string without its end", () => "$2\r\nabcd\r\n"],
    ["half a reply and a close", closeAfter("$100\r\nsecret")],
    ["half an array and a close", closeAfter("*3\r\n$1\r\na\r\n$6\r\nsecret")],
    ["a close without a reply", closeAfter("")],
    [
      "half a reply and a reset",
      (connection) => {
        connection.send("$100\r\nsecret");
        connection.reset();
        return null;
      },
    ],
  ];

  function closeAfter(reply: string): (connection: FakeConnection) => null {
    return (connection) => {
      if (reply !== "") connection.send(reply);
      connection.close();
      return null;
    };
  }

  test.each(scripts)("%s: an error, and nobody gets wrong data", async (_, misbehave) => {
    const server = fake(([, key], connection) =>
      key === "bad" ? misbehave(connection) : `$${key?.length}\r\n${key}\r\n`,
    );
    const proxy = await proxyOver([server], FAR_TIMEOUT);
    const [client, other] = [await connect(proxy), await connect(proxy)];
    expect(await client.ask("GET", "first")).toBe("$5\r\nfirst\r\n");
    client.command(["GET", "bad"], ["GET", "behind"]);
    other.command(["GET", "neighbour"]);
    const [bad, behind] = (await client.replies(2)).map(String);
    expect(bad).toMatch(/^-ERR [^\r\n]*\r\n$/);
    expect(bad).not.toContain("secret");
    // They were on the same connection: lost with it or answered right.
    expect(behind).toMatch(/^(-ERR [^\r\n]*\r\n|\$6\r\nbehind\r\n)$/);
    expect(`${await other.reply()}`).toMatch(/^(-ERR [^\r\n]*\r\n|\$9\r\nneighbour\r\n)$/);
    await untilReply(client, ["GET", "again"], "$5\r\nagain\r\n");
    expect(await other.ask("GET", "other")).toBe("$5\r\nother\r\n");
  });

  test("a reply too many goes to nobody", async () => {
    const server = fake(
      ([, key]) => `$${key?.length}\r\n${key}\r\n${key === "two" ? "$1\r\nx\r\n" : ""}`,
    );
    const client = await connect(await proxyOver([server], FAR_TIMEOUT));
    expect(await client.ask("GET", "two")).toBe("$3\r\ntwo\r\n");
    await untilReply(client, ["GET", "next"], "$4\r\nnext\r\n");
    expect(await client.ask("GET", "last")).toBe("$4\r\nlast\r\n");
  });

  test("an MGET reply with the wrong number of values is an error", async () => {
    const server = fake(([name, key]) =>
      name === "MGET" ? "*1\r\n$1\r\nx\r\n" : `$${key?.length}\r\n${key}\r\n`,
    );
    const good = await redis();
    const [[bad1 = "", bad2 = ""] = [], [fine = ""] = []] = keysByServer(2, 2);
    const client = await connect(await proxyOver([server, good], FAR_TIMEOUT));
    expect(await client.ask("MGET", bad1, fine, bad2)).toStartWith("-ERR ");
    expect(await client.ask("GET", fine)).toBe("$-1\r\n");
  });
});

/** The most memory that a process has had resident. */
function peakMemoryMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, kib = "0"] = /VmHWM:\s+(\d+) kB/.exec(status) ?? [];
  expect(Number(kib)).toBeGreaterThan(0);
  return Number(kib) / 1024;
}

describe("clients that harm themselves only", () => {
  test("one that does not read does not stop the others, and gets all in the end", async () => {
    const server = await redis();
    const proxy = await proxyOver([server], FAR_TIMEOUT);
    const [slow, other] = [await connect(proxy), await connect(proxy)];
    const large = Buffer.alloc(2 ** 20, "x");
    expect(await other.ask("SET", "large", large)).toBe("+OK\r\n");
    slow.pause();
    slow.command(...Array.from({ length: 64 }, () => ["GET", "large"]), ["GET", "end"]);
    for (let round = 0; round < 300; round++) {
      expect(await other.ask("SET", "end", `${round}`)).toBe("+OK\r\n");
      expect(await other.ask("GET", "end")).toBe(`$${`${round}`.length}\r\n${round}\r\n`);
    }
    slow.resume();
    for (let reply = 0; reply < 64; reply++) {
      expect((await slow.reply()).length).toBe(large.length + "$1048576\r\n\r\n".length);
    }
    expect(`${await slow.reply()}`).toMatch(/^\$\d+\r\n\d+\r\n$/);
  });

  test("one that asks for a gigabyte and does not read it costs the proxy a bounded part of it", async () => {
    const server = await redis();
    const proxy = await proxyOver([server], FAR_TIMEOUT);
    const [slow, other] = [await connect(proxy), await connect(proxy)];
    expect(await other.ask("SET", "large", Buffer.alloc(2 ** 20, "x"))).toBe("+OK\r\n");
    slow.pause();
    slow.command(...Array.from({ length: 1024 }, () => ["GET", "large"]));
    for (let round = 0; round < 300; round++) {
      expect(await other.ask("SET", "small", `${round}`)).toBe("+OK\r\n");
      expect(await other.ask("GET", "small")).toBe(`$${`${round}`.length}\r\n${round}\r\n`);
    }
    const [worker = Number.NaN] = proxy.workerPids();
    expect(peakMemoryMib(worker)).toBeLessThan(400);
    slow.reset();
    expect(await other.ask("GET", "small")).toBe("$3\r\n299\r\n");
  });

  test("ones that leave in the middle of a pipeline disturb nobody", async () => {
    const servers = await Promise.all([redis(), redis()]);
    const proxy = await proxyOver(servers, FAR_TIMEOUT);
    const client = await connect(proxy);
    const pipeline = Array.from({ length: 500 }, (_, at) => [
      ["SET", `left:${at}`, "left"],
      ["MGET", `left:${at}`, `left:${at + 1}`],
    ]).flat();
    for (let round = 0; round < 40; round++) {
      const leaver = await connect(proxy);
      leaver.command(...pipeline);
      // Half a request too, for some.
      if (round % 3 === 0) leaver.send("*3\r\n$3\r\nSET\r\n$4\r\nhalf");
      client.command(["SET", `stay:${round}`, `${round}`], ["GET", `stay:${round}`]);
      if (round % 2 === 0) leaver.reset();
      else leaver.close();
      const replies = (await client.replies(2)).map(String);
      expect(replies).toEqual(["+OK\r\n", `$${`${round}`.length}\r\n${round}\r\n`]);
    }
    expect(await client.ask("EXISTS", "half")).toBe(":0\r\n");
  });
});
