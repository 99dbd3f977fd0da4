/** `proxy drain --to`: node-redis, which asks by itself, goes to another proxy under load without an error; what has something open stays until it has not. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { createClient } from "redis";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";

setDefaultTimeout(120_000);

const DEADLINE_MS = 60_000;
const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(server: RedisServer, port: number): Promise<ProxyProcess> {
  const lines = [
    "workers: 2",
    "accept: dispatch",
    "pools:",
    `  main: { listen: "127.0.0.1:${port}", servers: ["${server.host}:${server.port}:1 one"] }`,
    `  cache: { listen: "127.0.0.1:${freePort()}", protocol: memcache, servers: ["127.0.0.1:1:1 m"] }`,
  ];
  const proxy = await startProxy({ config: `${lines.join("\n")}\n` });
  stops.push(() => proxy.stop());
  return proxy;
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await Bun.sleep(20);
  }
}

async function clientsOf(proxy: ProxyProcess): Promise<number> {
  return (await statusOf(proxy)).clients;
}

test("clients of node-redis leave under load without an error, idle ones too, and the port is free of them", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const [from, to] = [freePort(), freePort()];
  const [leaving, staying] = [await start(server, from), await start(server, to)];
  const errors: unknown[] = [];
  const clients = await Promise.all(
    Array.from({ length: 24 }, async () => {
      const client = createClient({
        ...{
          socket: { host: "127.0.0.1", port: from, reconnectStrategy: false as const },
          RESP: 3 as const,
        },
      });
      client.on("error", (error) => errors.push(error));
      await client.connect();
      stops.push(() => client.isOpen && client.destroy());
      return client;
    }),
  );
  let isOver = false;
  let done = 0;
  // The last four are idle.
  const load = clients.slice(0, 20).map(async (client, i) => {
    for (let n = 1; !isOver; n++) {
      const replies = await Promise.all([client.incr(`n${i}`), client.get(`n${i}`)]);
      expect(replies).toEqual([n, `${n}`]);
      done++;
    }
  });
  await until("requests flow", () => done > 200);
  await until("all are counted", async () => (await clientsOf(leaving)) === 24);
  const place = `127.0.0.1:${to}`;
  const { code, output } = await commandOf(leaving, "drain", "--to", place, "--pool", "main");
  expect([code, output]).toEqual([0, expect.stringContaining(`drain to "${place}" of pool main`)]);
  await until("all have gone", async () => (await clientsOf(leaving)) === 0);
  await until("all are there", async () => (await clientsOf(staying)) === 24);
  const atMove = done;
  await until("requests flow there", () => done > atMove + 200);
  await leaving.stop();
  isOver = true;
  await Promise.all(load);
  expect(await clients[23]!.ping()).toBe("PONG");
  expect(errors).toEqual([]);
});

test("a client in a transaction or subscribed hears it when it has that no more; one that stays is closed behind its last reply", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const proxy = await start(server, port);
  const connect = async (): Promise<RespClient> => {
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    stops.push(() => client.close());
    client.command(
      ["HELLO", "3"],
      ["CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip"],
    );
    await client.replies(2);
    return client;
  };
  const [free, busy, subscribed, old] = [
    await connect(),
    await connect(),
    await connect(),
    await connect(),
  ];
  await old.ask("HELLO", "2");
  expect(await busy.ask("MULTI")).toBe("+OK\r\n");
  subscribed.command(["SUBSCRIBE", "news"]);
  await subscribed.reply();
  // Without a port it is the pool's.
  await mustRun(proxy, "drain", "--to", "10.9.9.9");
  const place = `10.9.9.9:${port}`;
  const moving = new RegExp(
    `^>4\\r\\n\\$6\\r\\nMOVING\\r\\n:\\d+\\r\\n:10\\r\\n\\$${place.length}\\r\\n${place}\\r\\n$`,
  );
  expect(`${await free.reply()}`).toMatch(moving);
  expect(await busy.ask("SET", "k", "v")).toBe("+QUEUED\r\n");
  expect(await busy.ask("EXEC")).toBe("*1\r\n+OK\r\n");
  expect(`${await busy.reply()}`).toMatch(moving);
  // Who comes now hears it, too.
  expect(`${await (await connect()).reply()}`).toMatch(moving);
  await free.untilClosed();
  expect(await old.ask("GET", "k")).toBe("$1\r\nv\r\n");
  subscribed.command(["UNSUBSCRIBE", "news"]);
  await subscribed.reply();
  expect(`${await subscribed.reply()}`).toMatch(moving);
  await mustRun(proxy, "release", "all");
  expect((await connect()).unread.length).toBe(0);
});

test("what cannot be done is refused, and says what to do", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const proxy = await start(server, port);
  const refused = async (...words: readonly string[]): Promise<string> => {
    const { code, output, errors } = await commandOf(proxy, "drain", ...words);
    expect(code).not.toBe(0);
    return output + errors;
  };
  expect(await refused("--to", "10.0.0.2:0")).toContain("expected host or host:port");
  expect(await refused("--to", "10.0.0.2", "--pool", "cache")).toContain(
    'pool "cache" has no clients that can be told',
  );
  expect(await refused("--to", `127.0.0.1:${port}`)).toContain("itself");
  expect(await refused()).toContain("name a server");
  expect(await refused("one", "--to", "10.0.0.2")).toContain("name a server");
});
