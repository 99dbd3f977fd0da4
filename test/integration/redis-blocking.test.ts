/** Blocking commands where something goes wrong, or many wait; what they reply is in redis-blocking-scenarios.test.ts. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import {
  keysByServer,
  type ProxyProcess,
  proxyCommand,
  redisPool,
  startProxy,
} from "../support/proxy-process.ts";
import { encodeCommand, exchange, type RedisCommand } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { type Endpoint, makeDirectory } from "../support/server-process.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

const HOST = "127.0.0.1";
const DEADLINE_MS = 20_000;

interface Setup {
  readonly servers: readonly RedisServer[];
  readonly proxy: ProxyProcess;
  readonly endpoint: Endpoint;
}

async function start(
  count: number,
  options: { lines?: readonly string[]; binary?: string } = {},
): Promise<Setup> {
  const args = ["--enable-debug-command", "yes"];
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis({ args })));
  for (const server of servers) stops.push(() => server.stop());
  const endpoint = { host: HOST, port: freePort() };
  const { lines = [], ...rest } = options;
  const config = redisPool({ listen: `${HOST}:${endpoint.port}`, servers, lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"], ...rest });
  stops.push(() => proxy.stop());
  return { servers, proxy, endpoint };
}

async function clientAt(endpoint: Endpoint): Promise<RespClient> {
  const client = await RespClient.connect(endpoint, DEADLINE_MS);
  stops.push(async () => client.close());
  return client;
}

async function untilBlocked(server: RedisServer, count: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  const want = `blocked_clients:${count}\r\n`;
  while (!`${await exchange(server, [["INFO", "clients"]])}`.includes(want)) {
    if (performance.now() > deadline) throw new Error(`there never were ${count} blocked clients`);
    await Bun.sleep(5);
  }
}

/** Everything that a client reads that sends `commands`, ends its side, and reads on. */
async function lastWords(endpoint: Endpoint, commands: readonly RedisCommand[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const received: Buffer[] = [];
  const { host, port } = endpoint as { readonly host: string; readonly port: number };
  await Bun.connect({
    hostname: host,
    port,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        socket.write(Buffer.concat(commands.map(encodeCommand)));
        socket.shutdown();
      },
      data: (_, chunk) => void received.push(chunk),
      end: (socket) => void socket.end(),
      close: () => resolve(),
      error: (_, error) => reject(error),
    },
  });
  await promise;
  return Buffer.concat(received).toString("latin1");
}

test("a client that has said its last word reads what there is, and nothing is taken for it later", async () => {
  const { servers, endpoint } = await start(1);
  const [server] = servers as [RedisServer];
  const scripts: readonly (readonly RedisCommand[])[] = [
    [["RPUSH", "q", "a", "b"], ["BLPOP", "q", "0"], ["PING"], ["BLPOP", "q", "0"], ["ECHO", "x"]],
    [
      ["RPUSH", "q", "a"],
      ["BLPOP", "q", "0"],
      ["BLPOP", "q", "0"],
      ["ECHO", "never"],
    ],
  ];
  for (const script of scripts) {
    const straight = await lastWords(server, script);
    await exchange(server, [["DEL", "q"]]);
    expect(await lastWords(endpoint, script)).toBe(straight);
    await untilBlocked(server, 0);
    expect(
      await exchange(server, [
        ["RPUSH", "q", "z"],
        ["DEL", "q"],
      ]),
    ).toEqual([1, 1]);
  }
});

test("hundreds wait, others go on, and each gets one element", async () => {
  const { servers, endpoint } = await start(1);
  const [server] = servers as [RedisServer];
  const busy = await clientAt(endpoint);
  const waiting: RespClient[] = [];
  for (let i = 0; i < 300; i++) {
    const client = await clientAt(endpoint);
    waiting.push(client);
    client.command(["BLPOP", "q", "0"]);
    expect(await busy.ask("SET", "k", `${i}`)).toBe("+OK\r\n");
    if (i % 50 === 0) await untilBlocked(server, i + 1);
  }
  await untilBlocked(server, 300);
  expect(await busy.ask("CLIENT", "LIST")).toMatch(/ flags=b .* cmd=blpop /);
  const elements = waiting.map((_, i) => `e${i}`);
  await exchange(server, [["RPUSH", "q", ...elements]]);
  const served = await Promise.all(waiting.map(async (client) => `${await client.reply()}`));
  expect(served.map((reply) => reply.split("\r\n")[4]).sort()).toEqual([...elements].sort());
  // Their connections serve again, but not all of them are kept.
  for (const client of waiting) client.command(["BLPOP", "q", "0.01"]);
  for (const client of waiting) expect(`${await client.reply()}`).toBe("*-1\r\n");
});

describe("a server", () => {
  test("that goes away tells those who wait for it, and serves again when it is back", async () => {
    const { servers, endpoint } = await start(1, { lines: ["auto_eject_hosts: false"] });
    const [server] = servers as [RedisServer];
    const clients = [await clientAt(endpoint), await clientAt(endpoint)] as const;
    for (const client of clients) client.command(["BLPOP", "q", "0"], ["ECHO", "on"]);
    await untilBlocked(server, 2);
    await server.stop();
    for (const client of clients) {
      expect(`${await client.reply()}`).toMatch(
        /^-ERR Connection reset by peer \(server s0 closed the connection; the command may or may not/,
      );
      expect(`${await client.reply()}`).toBe("$2\r\non\r\n");
      expect(await client.ask("BLPOP", "q", "0")).toMatch(/^-ERR Connection refused/);
    }
    const again = await startRedis({ port: server.port });
    stops.push(() => again.stop());
    const deadline = performance.now() + DEADLINE_MS;
    while ((await clients[0].ask("GET", "k")).startsWith("-")) {
      if (performance.now() > deadline) throw new Error("the server is not found again");
    }
    clients[0].command(["BLPOP", "q", "0"]);
    await untilBlocked(again, 1);
    await exchange(again, [["RPUSH", "q", "x"]]);
    expect(`${await clients[0].reply()}`).toContain("x\r\n");
  });

  test("that was ejected and is back has its keys again: who waits for them elsewhere is told", async () => {
    const lines = [
      "auto_eject_hosts: true",
      "server_failure_limit: 1",
      "server_retry_timeout: 300",
    ];
    const { servers, endpoint } = await start(2, { lines });
    const [first, second] = servers as [RedisServer, RedisServer];
    const [[staying = ""] = [], [moving = ""] = []] = keysByServer(2, 1);
    const clients = [await clientAt(endpoint), await clientAt(endpoint)] as const;
    clients[1].command(["BLPOP", moving, "0"]);
    await untilBlocked(second, 1);
    await second.stop();
    expect(`${await clients[1].reply()}`).toStartWith("-ERR Connection reset by peer");
    const deadline = performance.now() + DEADLINE_MS;
    while (!(await clients[1].ask("LLEN", moving)).startsWith(":")) {
      if (performance.now() > deadline) throw new Error("the server is never ejected");
    }
    clients[0].command(["BLPOP", staying, "0"]);
    clients[1].command(["BLPOP", moving, "0"]);
    await untilBlocked(first, 2);
    const again = await startRedis({ port: second.port });
    stops.push(() => again.stop());
    expect(`${await clients[1].reply()}`).toStartWith("-UNBLOCKED the servers of this pool");
    await untilBlocked(first, 1);
    clients[1].command(["BLPOP", moving, "0"]);
    await untilBlocked(again, 1);
    await exchange(again, [["RPUSH", moving, "x"]]);
    await exchange(first, [["RPUSH", staying, "y"]]);
    expect(`${await clients[1].reply()}`).toContain("\nx\r\n");
    expect(`${await clients[0].reply()}`).toContain("\ny\r\n");
  });

  test("is waited for longer than its pool's timeout", async () => {
    const { servers, endpoint } = await start(1, { lines: ["timeout: 200"] });
    const [server] = servers as [RedisServer];
    const [waiting, other] = [await clientAt(endpoint), await clientAt(endpoint)];
    waiting.command(["BLPOP", "q", "0"]);
    await untilBlocked(server, 1);
    // That takes several of them.
    const [slept] = await exchange(server, [["DEBUG", "SLEEP", "0.9"]]);
    expect(`${slept}`).toBe("OK");
    expect(await other.ask("RPUSH", "q", "x")).toBe(":1\r\n");
    expect(`${await waiting.reply()}`).toBe("*2\r\n$1\r\nq\r\n$1\r\nx\r\n");
  });
});

test("over many servers the keys must be on one", async () => {
  const { endpoint } = await start(4, { lines: ['hash_tag: "{}"'] });
  const client = await clientAt(endpoint);
  const keys = Array.from({ length: 20 }, (_, i) => `key${i}`);
  const hint = "are on different servers; give them a common hash tag such as {name}\r\n";
  expect(await client.ask("BLPOP", ...keys, "0")).toBe(`-CROSSSLOT Keys of 'BLPOP' ${hint}`);
  expect(await client.ask("XREAD", "BLOCK", "0", "STREAMS", ...keys, ...keys.map(() => "$"))).toBe(
    `-CROSSSLOT Keys of 'XREAD' ${hint}`,
  );
  const tagged = keys.map((key) => `{t}${key}`);
  expect(await client.ask("BLPOP", ...tagged, "0.01")).toBe("*-1\r\n");
});

test("a worker that runs out of descriptors lends no more, and harms nobody", async () => {
  const directory = makeDirectory("limited");
  const binary = join(directory, "proxy");
  const words = proxyCommand().map((word) => `'${word}'`);
  writeFileSync(binary, `#!/bin/bash\nulimit -n 200\nexec -a proxy ${words.join(" ")} "$@"\n`);
  chmodSync(binary, 0o755);
  const { servers, endpoint, proxy } = await start(1, { binary });
  const [server] = servers as [RedisServer];
  const workers = proxy.workerPids();
  const clients: RespClient[] = [];
  for (let i = 0; i < 90; i++) clients.push(await clientAt(endpoint));
  // Each is accepted before the first one takes a connection.
  for (const client of clients) await client.ask("PING");
  for (const client of clients) client.command(["BLPOP", "q", "0"]);
  // More of them want a connection than there is room for.
  const refused: RespClient[] = [];
  const deadline = performance.now() + DEADLINE_MS;
  const isSettled = async (): Promise<boolean> => {
    const info = `${await exchange(server, [["INFO", "clients"]])}`;
    const blocked = Number(/blocked_clients:(\d+)/.exec(info)?.[1]);
    return blocked > 0 && blocked + clients.filter(({ unread }) => unread.length > 0).length === 90;
  };
  while (!(await isSettled())) {
    if (performance.now() > deadline) throw new Error("some are neither blocked nor refused");
    await Bun.sleep(5);
  }
  for (const client of clients) if (client.unread.length > 0) refused.push(client);
  expect(refused.length).toBeGreaterThan(10);
  expect(refused.length).toBeLessThan(80);
  for (const client of refused) {
    expect(`${await client.reply()}`).toStartWith("-ERR 'BLPOP' cannot have a connection");
    expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
  }
  // Who leaves makes room.
  for (const client of clients) if (!refused.includes(client)) client.close();
  await untilBlocked(server, 0);
  refused[0]!.command(["BLPOP", "q", "0"]);
  await untilBlocked(server, 1);
  expect(proxy.workerPids()).toEqual(workers);
});
