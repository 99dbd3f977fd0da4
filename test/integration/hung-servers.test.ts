/** Servers that hang or lose replies, seen by clients of a proxy that has just started. */
import { expect, test } from "bun:test";
import { startFakeServer } from "../support/fake-server.ts";
import { freePort } from "../support/free-port.ts";
import { keysByServer, memcachePool, redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

/** Far below the connect_timeout of these pools, far above what an answer takes on a busy machine. */
const HANGS_MS = 20_000;
const CONNECT_TIMEOUT = "connect_timeout: 60000";

async function start(servers: readonly { host: string; port: number }[], lines: string[]) {
  const endpoint = { host: "127.0.0.1", port: freePort() };
  const config = redisPool({ listen: `127.0.0.1:${endpoint.port}`, servers, lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  return { endpoint, proxy };
}

async function timeOf(action: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await action();
  return performance.now() - startMs;
}

test("a server that hangs when a worker starts keeps no client of another one waiting", async () => {
  const [hung, well] = await Promise.all([startRedis({}), startRedis({})]);
  process.kill(hung!.pid, "SIGSTOP");
  const { endpoint, proxy } = await start([hung!, well!], [CONNECT_TIMEOUT]);
  try {
    const [, [key]] = keysByServer(2, 1) as [string[], [string]];
    const client = await RespClient.connect(endpoint);
    const requests = [
      [`SET ${key} 1`, "+OK\r\n"],
      ["SELECT 1", "+OK\r\n"],
      [`GET ${key}`, "$-1\r\n"],
      ["AUTH default whatever", "+OK\r\n"],
      // What no table knows is looked up on a server, and what the proxy answers itself has to be permitted by one.
      ["WHATEVER x", "-ERR unknown command 'WHATEVER', with args beginning with: 'x' \r\n"],
      ["CLIENT KILL ID 1", ":0\r\n"],
    ] as const;
    for (const [request, reply] of requests) {
      const tookMs = await timeOf(async () => {
        client.send(`${request}\r\n`);
        expect((await client.reply()).toString()).toBe(reply);
      });
      expect(tookMs).toBeLessThan(HANGS_MS);
    }
    client.close();
  } finally {
    process.kill(hung!.pid, "SIGCONT");
    await proxy.stop();
    await Promise.all([hung!.stop(), well!.stop()]);
  }
}, 120_000);

test("a server that accepts and says nothing costs a client the timeout, not the time to connect", async () => {
  const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const servers = [{ host: "127.0.0.1", port: silent.port }];
  const { endpoint, proxy } = await start(servers, ["timeout: 400", CONNECT_TIMEOUT]);
  try {
    for (let i = 0; i < 3; i++) {
      const client = await RespClient.connect(endpoint);
      const tookMs = await timeOf(async () => {
        client.send("GET a\r\n");
        expect((await client.reply()).toString()).toStartWith("-ERR Connection timed out");
      });
      expect(tookMs).toBeLessThan(HANGS_MS);
      client.close();
    }
  } finally {
    await proxy.stop();
    silent.stop(true);
  }
}, 120_000);

test("a server that loses one reply and is well again answers all later requests", async () => {
  let asked = 0;
  const server = startFakeServer(([, key = ""]) => {
    asked++;
    return asked === 3 ? null : `$${key.length}\r\n${key}\r\n`;
  });
  const { endpoint, proxy } = await start([server], ["timeout: 300"]);
  try {
    const client = await RespClient.connect(endpoint);
    const replies: string[] = [];
    for (let i = 0; i < 20; i++) {
      client.send(`GET key${i}\r\n`);
      replies.push((await client.reply()).toString());
    }
    const expected = replies.map((_, i) => (i < 10 ? `$4\r\nkey${i}\r\n` : `$5\r\nkey${i}\r\n`));
    expect(replies[2]).toStartWith("-ERR Connection timed out");
    // The next one may have been on the connection when it was found out.
    const right = replies.filter((reply, i) => reply === expected[i]);
    expect(right.length).toBeGreaterThanOrEqual(18);
    client.close();
  } finally {
    await proxy.stop();
    server.stop();
  }
}, 120_000);

test("a server that loses one reply under traffic that never ceases is found out in a moment", async () => {
  let asked = 0;
  const server = startFakeServer(([, key = ""]) => {
    asked++;
    return asked === 500 ? null : `$${key.length}\r\n${key}\r\n`;
  });
  const { endpoint, proxy } = await start([server], ["timeout: 20000"]);
  try {
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => RespClient.connect(endpoint)),
    );
    let lastWrongMs = 0;
    let rightAfter = 0;
    let failed = 0;
    const endMs = performance.now() + HANGS_MS;
    // Until all is well again for a while, with thousands of replies.
    const isWell = (): boolean => failed > 0 && rightAfter > 5000;
    const ask = async (client: RespClient, key: string): Promise<void> => {
      for (let i = 0; !isWell() && performance.now() < endMs; i++) {
        client.send(`GET ${key}.${i}\r\n`);
        const reply = (await client.reply()).toString();
        if (reply.includes(`\r\n${key}.${i}\r\n`)) rightAfter++;
        else if (reply.includes("got lost")) failed++;
        else {
          lastWrongMs = performance.now();
          rightAfter = 0;
        }
      }
    };
    await Promise.all(clients.map((client, i) => ask(client, `c${i}`)));
    expect(lastWrongMs).toBeGreaterThan(0);
    expect(isWell()).toBe(true);
    // Those on the connection when it was found out, at most.
    expect(failed).toBeLessThanOrEqual(20);
    for (const client of clients) client.close();
    await proxy.stop();
    expect(proxy.stderr()).toContain("a reply of the server got lost or came twice");
  } finally {
    await proxy.stop();
    server.stop();
  }
}, 120_000);

test("a late reply costs no other request its own, whatever the server lets its user do", async () => {
  const server = await startRedis({ args: ["--rename-command", "ECHO", ""] });
  const straight = await RespClient.connect(server);
  await straight.ask("ACL", "SETUSER", "few", "on", ">pw", "~*", "+get", "+set");
  const { endpoint, proxy } = await start([server], ["timeout: 500"]);
  try {
    const [one, other] = await Promise.all([
      RespClient.connect(endpoint),
      RespClient.connect(endpoint),
    ]);
    for (const client of [one!, other!])
      expect(await client.ask("AUTH", "few", "pw")).toBe("+OK\r\n");
    expect(await one!.ask("SET", "a", "1")).toBe("+OK\r\n");
    const listed = await straight.ask("CLIENT", "LIST");
    const [, firstId = "none"] = /id=(\d+) .*user=few/.exec(listed) ?? [];
    for (let round = 0; round < 3; round++) {
      process.kill(server.pid, "SIGSTOP");
      const late = await one!.ask("GET", "a");
      process.kill(server.pid, "SIGCONT");
      expect(late).toStartWith("-ERR Connection timed out");
      // Behind the late reply and the question.
      expect(await other!.ask("GET", "a")).toBe("$1\r\n1\r\n");
    }
    const connections = await straight.ask("CLIENT", "LIST");
    const [, id = ""] = /id=(\d+) .*user=few/.exec(connections) ?? [];
    expect(id).toBe(firstId);
    for (const client of [one!, other!]) client.close();
  } finally {
    process.kill(server.pid, "SIGCONT");
    straight.close();
    await proxy.stop();
    await server.stop();
  }
}, 120_000);

test("a memcached server that loses one reply and is well again answers all later requests", async () => {
  let asked = 0;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, chunk) {
        for (const line of chunk.toString("latin1").split("\r\n")) {
          const [verb = "", key = ""] = line.split(" ");
          if (verb === "version") socket.write("VERSION 1.6.18\r\n");
          if (verb !== "get" || ++asked === 3) continue;
          socket.write(`VALUE ${key} 0 ${key.length}\r\n${key}\r\nEND\r\n`);
        }
      },
    },
  });
  const endpoint = { host: "127.0.0.1", port: freePort() };
  const servers = [{ host: "127.0.0.1", port: server.port }];
  const listen = `127.0.0.1:${endpoint.port}`;
  const config = memcachePool({ listen, servers, lines: ["timeout: 300"] });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  const right: number[] = [];
  try {
    for (let i = 10; i < 30; i++) if (await getsItsOwn(endpoint, `key${i}`)) right.push(i);
    expect(right.length).toBeGreaterThanOrEqual(18);
  } finally {
    await proxy.stop();
    server.stop(true);
  }
}, 120_000);

/** A client that asks for one key. */
function getsItsOwn(endpoint: { host: string; port: number }, key: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  let text = "";
  void Bun.connect({
    hostname: endpoint.host,
    port: endpoint.port,
    socket: {
      open: (socket) => void socket.write(`get ${key}\r\n`),
      data(socket, chunk) {
        text += chunk.toString("latin1");
        if (!/^(END|SERVER_ERROR.*)\r\n/m.test(text)) return;
        resolve(text === `VALUE ${key} 0 ${key.length}\r\n${key}\r\nEND\r\n`);
        socket.end();
      },
      error: (_socket, error) => reject(error),
    },
  });
  return promise;
}
