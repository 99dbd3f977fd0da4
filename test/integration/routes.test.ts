/** `route:` in place of `servers:`, with real servers: what goes where, that clients see no difference, and that all of it survives reload and upgrade. */
import { afterEach, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { freePort } from "../support/free-port.ts";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { exchange, type RedisCommand, type RedisReply } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";
import type { Endpoint } from "../support/server-process.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

afterEach(stopAll);

interface Rig {
  readonly proxy: ProxyProcess;
  /** Of the pool `app`. */
  readonly app: Endpoint;
  readonly one: readonly RedisServer[];
  readonly two: readonly RedisServer[];
}

function atPort({ host, port }: { readonly host: string; readonly port: number }): Endpoint {
  return { host, port };
}

function wordsOf(reply: RedisReply): unknown {
  if (reply instanceof Error) return reply.message;
  if (Buffer.isBuffer(reply)) return latin(reply);
  return Array.isArray(reply) ? reply.map(wordsOf) : reply;
}

/** Each byte a character. */
function latin(bytes: Buffer): string {
  return bytes.toString("latin1");
}

const poolLines = (name: string, servers: readonly Endpoint[], ...lines: string[]): string[] => [
  `  ${name}:`,
  `    listen: 127.0.0.1:${freePort()}`,
  `    servers: [${servers.map((server, i) => `"${"port" in server ? `${server.host}:${server.port}` : ""}:1 ${name}-${i}"`).join(", ")}]`,
  ...lines.map((line) => `    ${line}`),
];

/** Pools `one` and `two` of two Redis servers each, and `app` before them. @param lines its `route`, and what it has besides */
async function start(...lines: string[]): Promise<Rig> {
  const [a, b, c, d] = [
    await startRedis(),
    await startRedis(),
    await startRedis(),
    await startRedis(),
  ];
  for (const server of [a, b, c, d]) stops.push(() => server.stop());
  const port = freePort();
  const config = [
    "pools:",
    ...poolLines("one", [a, b]),
    ...poolLines("two", [c, d]),
    "  app:",
    `    listen: 127.0.0.1:${port}`,
    ...lines.map((line) => `    ${line}`),
    "",
  ].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  return { proxy, app: { host: "127.0.0.1", port }, one: [a, b], two: [c, d] };
}

async function clientOf({ app }: Pick<Rig, "app">): Promise<RespClient> {
  const client = await RespClient.connect(app);
  stops.push(async () => client.close());
  return client;
}

/** All keys of these servers, sorted. */
async function keysOf(servers: readonly Endpoint[]): Promise<string[]> {
  const found = await Promise.all(servers.map((server) => exchange(server, [["KEYS", "*"]])));
  return found
    .flatMap(([keys]) => keys as readonly RedisReply[])
    .map(String)
    .sort();
}

const PREFIXES = ["route:", '  prefixes: { "b:": two, "b:x:": one }', "  default: one"];

test("keys go by the longest prefix, and commands with several of them are split over pools as over servers", async () => {
  const rig = await start(...PREFIXES);
  const client = await clientOf(rig);
  expect(await client.ask("MSET", "a:1", "1", "b:1", "2", "b:x:1", "3", "b:2", "4", "c", "5")).toBe(
    "+OK\r\n",
  );
  expect(await keysOf(rig.one)).toEqual(["a:1", "b:x:1", "c"]);
  expect(await keysOf(rig.two)).toEqual(["b:1", "b:2"]);
  expect(await client.ask("MGET", "b:1", "a:1", "none", "c", "b:x:1", "b:2")).toBe(
    "*6\r\n$1\r\n2\r\n$1\r\n1\r\n$-1\r\n$1\r\n5\r\n$1\r\n3\r\n$1\r\n4\r\n",
  );
  expect(await client.ask("DBSIZE")).toBe(":5\r\n");
  expect(await client.ask("DEL", "a:1", "b:1", "b:2", "none")).toBe(":3\r\n");
  expect(await client.ask("FLUSHALL")).toBe("+OK\r\n");
  expect([await keysOf(rig.one), await keysOf(rig.two)]).toEqual([[], []]);
});

test("reads and writes have pools of their own, but for what belongs to a transaction or waits", async () => {
  const rig = await start("route: { read: two, write: one }");
  const client = await clientOf(rig);
  expect(await client.ask("SET", "k", "written")).toBe("+OK\r\n");
  expect(await client.ask("GET", "k")).toBe("$-1\r\n");
  await Promise.all(rig.two.map((server) => exchange(server, [["SET", "k", "read"]])));
  expect(await client.ask("GET", "k")).toBe("$4\r\nread\r\n");
  // What concerns all servers: those that such commands go to.
  expect(await client.ask("DBSIZE")).toBe(":2\r\n");
  expect(await client.ask("MULTI")).toBe("+OK\r\n");
  expect(await client.ask("GET", "k")).toBe("+QUEUED\r\n");
  expect(await client.ask("APPEND", "k", "!")).toBe("+QUEUED\r\n");
  expect(await client.ask("EXEC")).toBe("*2\r\n$7\r\nwritten\r\n:8\r\n");
  // Nothing is in the stream that is read, but the group waits where it is written.
  const other = await clientOf(rig);
  client.command(["XREAD", "BLOCK", "0", "STREAMS", "s", "0"]);
  while (!(await other.ask("CLIENT", "LIST")).includes("cmd=xread")) await Bun.sleep(5);
  await other.ask("XADD", "s", "1-1", "f", "v");
  expect(latin(await client.reply())).toContain("1-1");
  expect(await client.ask("FLUSHALL")).toBe("+OK\r\n");
  expect([await keysOf(rig.one), await keysOf(rig.two)]).toEqual([[], ["k", "k"]]);
});

test("commands have pools of their own", async () => {
  const rig = await start("route:", "  commands: { 'GET, strlen': two }", "  default: one");
  const client = await clientOf(rig);
  await client.ask("SET", "k", "v");
  expect(await client.ask("GET", "k")).toBe("$-1\r\n");
  expect(await client.ask("STRLEN", "k")).toBe(":0\r\n");
  expect(await client.ask("GETRANGE", "k", "0", "-1")).toBe("$1\r\nv\r\n");
  expect(await keysOf(rig.one)).toEqual(["k"]);
});

test("databases, users and RESP3 that a client chose are those of its connections to every pool", async () => {
  const rig = await start(...PREFIXES);
  const client = await clientOf(rig);
  expect(await client.ask("SELECT", "3")).toBe("+OK\r\n");
  expect(await client.ask("MSET", "a", "1", "b:1", "2")).toBe("+OK\r\n");
  const inThree = await Promise.all(
    [...rig.one, ...rig.two].map((server) => exchange(server, [["SELECT", "3"], ["DBSIZE"]])),
  );
  expect(inThree.reduce((sum, [, size]) => sum + Number(size), 0)).toBe(2);
  expect(await client.ask("SELECT", "0")).toBe("+OK\r\n");
  expect(await client.ask("DBSIZE")).toBe(":0\r\n");
  expect(await client.ask("HELLO", "3")).toContain("proto");
  await client.ask("HSET", "b:h", "f", "v");
  expect(await client.ask("HGETALL", "b:h")).toBe("%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
});

test("transactions, scripts, blocked clients and messages each have one pool", async () => {
  const rig = await start(...PREFIXES);
  const client = await clientOf(rig);
  const other = await clientOf(rig);
  expect(await client.ask("WATCH", "b:{1}k")).toBe("+OK\r\n");
  expect(await other.ask("SET", "b:{1}k", "x")).toBe("+OK\r\n");
  expect(await client.ask("MULTI")).toBe("+OK\r\n");
  expect(await client.ask("SET", "b:{1}k", "y")).toBe("+QUEUED\r\n");
  expect(await client.ask("EXEC")).toBe("*-1\r\n");
  expect(await client.ask("MULTI")).toBe("+OK\r\n");
  expect(await client.ask("SET", "a", "1")).toBe("+QUEUED\r\n");
  expect(await client.ask("SET", "b:1", "1")).toStartWith("-CROSSSLOT");
  expect(await client.ask("EXEC")).toStartWith("-EXECABORT");
  expect(await client.ask("EVAL", "return redis.call('SET', KEYS[1], 'e')", "1", "b:e")).toBe(
    "+OK\r\n",
  );
  expect(await keysOf(rig.two)).toEqual(["b:e", "b:{1}k"]);
  client.command(["BLPOP", "b:l", "0"]);
  while (!(await other.ask("CLIENT", "LIST")).includes("cmd=blpop")) await Bun.sleep(5);
  await other.ask("RPUSH", "b:l", "z");
  expect(latin(await client.reply())).toBe("*2\r\n$3\r\nb:l\r\n$1\r\nz\r\n");
  for (const channel of ["a", "b:c"]) {
    client.command(["SUBSCRIBE", channel]);
    expect(latin(await client.reply())).toContain(channel);
    expect(await other.ask("PUBLISH", channel, "hello")).toBe(":1\r\n");
    expect(latin(await client.reply())).toContain("hello");
  }
});

test("counts of servers are those of the pool that has them, counts of clients those of the pool they came to", async () => {
  const rig = await start(...PREFIXES);
  const client = await clientOf(rig);
  for (let i = 0; i < 20; i++) await client.ask("SET", `b:${i}`, "v");
  const { pools = [] } = await statusOf(rig.proxy);
  const of = (pool: string): (typeof pools)[number] => pools.find(({ name }) => name === pool)!;
  const sent = (pool: string): number =>
    of(pool).servers.reduce((sum, { counters }) => sum + counters.requests, 0);
  expect([of("app").counters.requests, of("two").counters.requests]).toEqual([20, 0]);
  expect([of("app").servers, sent("one"), sent("two")]).toEqual([[], 0, 20]);
});

test("`proxy route` tells the way of a key, `proxy check` the tree", async () => {
  const rig = await start(
    "route:",
    '  prefixes: { "b:": { read: two, write: one } }',
    "  default: one",
  );
  const { output: text } = await commandOf(rig.proxy, "route", "app", "b:1", "x");
  expect(text).toMatch(/b:1 +read +prefix "b:" › read +two +two-\d/);
  expect(text).toMatch(/b:1 +write +prefix "b:" › write +one +one-\d/);
  expect(text).toMatch(/x +any +no prefix +one +one-\d/);
  const { output: checked } = await commandOf(rig.proxy, "check");
  expect(checked).toContain(
    'prefix "b:":\n      read: pool two\n      write: pool one\n    default: pool one',
  );
});

test("a pool of several servers behind a route gives what one Redis gives", async () => {
  const rig = await start(...PREFIXES);
  const alone = await startRedis();
  stops.push(() => alone.stop());
  const keys = ["a", "b:1", "b:x:1", "b:2", "{t}c"];
  const script: RedisCommand[] = keys.flatMap((key, i) => [
    ["SET", key, `${i}`],
    ["INCRBY", key, "7"],
    ["GETRANGE", key, "0", "0"],
    ["EXPIRE", key, "1000"],
    ["TTL", key],
    ["LPUSH", key, "x"],
    ["RPUSH", `${key}:l`, "x", "y"],
    ["LRANGE", `${key}:l`, "0", "-1"],
    ["HSET", `${key}:h`, "f", "v", "g", "w"],
    ["HMGET", `${key}:h`, "f", "none"],
    ["MGET", ...keys],
    ["EXISTS", ...keys, "none"],
    ["TYPE", `${key}:h`],
    ["OBJECT", "ENCODING", key],
    ["SUNION", `${key}:s`, `${key}:s`],
    ["NOSUCH", key],
    ["GET"],
  ]);
  script.push(["DBSIZE"], ["UNLINK", ...keys], ["DBSIZE"], ["TOUCH", ...keys]);
  const [expected, seen] = await Promise.all(
    [alone, rig.app].map(async (endpoint) => (await exchange(endpoint, script)).map(wordsOf)),
  );
  expect(seen).toEqual(expected!);
});

test("a transaction and a blocked client go on over a reload that changes the tree elsewhere, and over an upgrade", async () => {
  const rig = await start(...PREFIXES);
  const watching = await clientOf(rig);
  const blocked = await clientOf(rig);
  const other = await clientOf(rig);
  const order = async (verb: string): Promise<void> => {
    await watching.ask("WATCH", "b:w");
    await watching.ask("MULTI");
    await watching.ask("SET", "b:w", "1");
    blocked.command(["BLPOP", "b:l", "0"]);
    while (!(await other.ask("CLIENT", "LIST")).includes("cmd=blpop")) await Bun.sleep(5);
    await mustRun(rig.proxy, verb);
    expect(await watching.ask("EXEC")).toBe("*1\r\n+OK\r\n");
    await other.ask("RPUSH", "b:l", "z");
    expect(latin(await blocked.reply())).toContain("z");
  };
  const text = readFileSync(rig.proxy.configFile, "utf8");
  writeFileSync(rig.proxy.configFile, text.replace('"b:x:": one', '"b:x:": one, "n:": two'));
  await order("reload");
  expect(await other.ask("SET", "n:1", "v")).toBe("+OK\r\n");
  expect(await keysOf(rig.two)).toEqual(["b:w", "n:1"]);
  await order("upgrade");
});

test("a server of a leaf that is ejected and comes back moves the keys of the route, too", async () => {
  const a = await startRedis();
  const b = await startRedis();
  stops.push(
    () => a.stop(),
    () => b.stop(),
  );
  const port = freePort();
  const eject = ["auto_eject_hosts: true", "server_failure_limit: 1", "server_retry_timeout: 60s"];
  const config = [
    "pools:",
    ...poolLines("one", [a, b], ...eject, "max_ejection_percent: 50"),
    "  app:",
    `    listen: 127.0.0.1:${port}`,
    "    route: one",
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n"), args: ["--workers", "1"] });
  stops.push(() => proxy.stop());
  const client = await clientOf({ app: { host: "127.0.0.1", port } });
  const keys = Array.from({ length: 16 }, (_, i) => `k${i}`);
  for (const key of keys) expect(await client.ask("SET", key, "v")).toBe("+OK\r\n");
  await b.stop();
  const isDone = async (): Promise<boolean> => {
    const replies: string[] = [];
    for (const key of keys) replies.push(await client.ask("SET", key, "v"));
    return replies.every((reply) => reply === "+OK\r\n");
  };
  while (!(await isDone())) await Bun.sleep(5);
  expect(await keysOf([a])).toEqual([...keys].sort());
});

test("Memcached: gets of many keys over pools, both protocols, all commands", async () => {
  const servers: MemcachedServer[] = [await startMemcached(), await startMemcached()];
  for (const server of servers) stops.push(() => server.stop());
  const port = freePort();
  const config = [
    "pools:",
    ...poolLines("one", [servers[0]!], "protocol: memcache"),
    ...poolLines("two", [servers[1]!], "protocol: memcache"),
    "  app:",
    `    listen: 127.0.0.1:${port}`,
    "    protocol: memcache",
    '    route: { prefixes: { "b:": { read: two, write: two } }, default: one }',
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n"), args: ["--workers", "1"] });
  stops.push(() => proxy.stop());
  const connect = async (endpoint: Endpoint): Promise<TextClient> => {
    const client = await TextClient.connect(endpoint);
    stops.push(async () => client.close());
    return client;
  };
  const client = await connect({ host: "127.0.0.1", port });
  client.send("set a 0 0 1\r\n1\r\nset b:1 0 0 1\r\n2\r\nset b:2 7 0 1\r\n3\r\nmn\r\n");
  expect((await client.until("MN\r\n")).toString()).toBe("STORED\r\nSTORED\r\nSTORED\r\nMN\r\n");
  expect(await client.ask("get b:2 a none b:1\r\n", "END\r\n")).toBe(
    "VALUE b:2 7 1\r\n3\r\nVALUE a 0 1\r\n1\r\nVALUE b:1 0 1\r\n2\r\nEND\r\n",
  );
  expect(await client.ask("mg b:1 v\r\n", "2\r\n")).toBe("VA 1\r\n2\r\n");
  expect(await client.ask("delete b:1\r\n")).toBe("DELETED\r\n");
  expect(await client.ask("get b:1 a\r\n", "END\r\n")).toBe("VALUE a 0 1\r\n1\r\nEND\r\n");
  const [one, two] = [await connect(atPort(servers[0]!)), await connect(atPort(servers[1]!))];
  one.send("get a b:2\r\n");
  two.send("get a b:2\r\n");
  expect((await one.until("END\r\n")).toString()).toBe("VALUE a 0 1\r\n1\r\nEND\r\n");
  expect((await two.until("END\r\n")).toString()).toBe("VALUE b:2 7 1\r\n3\r\nEND\r\n");
});
