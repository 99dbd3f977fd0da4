/** Scripts and functions over real servers that lose them. What is the same as straight, the differential tests compare. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { birthOf } from "../support/birth-of.ts";
import { freePort } from "../support/free-port.ts";
import {
  keysByServer,
  type ProxyProcess,
  redisPool,
  startProxy,
} from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";

setDefaultTimeout(120_000);

const NO_SCRIPT = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
const BODY = "redis.call('INCR', KEYS[1]) return ARGV[1]";
const SHA = createHash("sha1").update(BODY).digest("hex");
const LIBRARY =
  "#!lua name=lib\nredis.register_function('twice', function(k, a) return a[1]*2 end)";

const ENDLESS =
  "#!lua name=other\nredis.register_function('endless', function(k, a) while true do end end)";

let servers: RedisServer[] = [];
let proxy: ProxyProcess;
let port = 0;
let keys: string[][] = [];
let clients: RespClient[] = [];

beforeEach(async () => {
  servers = await Promise.all([startRedis(), startRedis(), startRedis(), startRedis()]);
  port = freePort();
  keys = keysByServer(4, 3);
});

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(behind: readonly RedisServer[], workers = 1): Promise<void> {
  const config = redisPool({ listen: `127.0.0.1:${port}`, servers: behind });
  proxy = await startProxy({ config, args: ["--workers", `${workers}`, "--reuseport"] });
}

async function connect(): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  clients.push(client);
  return client;
}

/** Asks again and again, until it is so. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited in vain: ${what}`);
    await Bun.sleep(5);
  }
}

/** What a server itself says, as text. */
async function straight(server: number, ...command: string[]): Promise<string> {
  const client = await RespClient.connect(servers[server]!);
  const reply = await client.ask(...(command as [string, ...string[]]));
  client.close();
  return reply;
}

/** One client of each worker. */
async function clientsOf(workers: number): Promise<RespClient[]> {
  const found = new Map<number, RespClient>();
  while (found.size < workers) {
    const client = await connect();
    const birth = birthOf(Number((await client.ask("CLIENT", "ID")).substring(1)));
    if (!found.has(birth)) found.set(birth, client);
  }
  return [...found.values()];
}

function call(server: number, value = "x"): [string, ...string[]] {
  return ["EVALSHA", SHA, "1", keys[server]![0]!, value];
}

/** Another process in its place: it knows nothing. */
async function restart(index: number): Promise<void> {
  const { port: at } = servers[index]!;
  await servers[index]!.stop();
  servers[index] = await startRedis({ port: at });
}

/** The proxy knows that the server is back. */
async function isBack(client: RespClient, index: number): Promise<void> {
  await until("the server is back", async () => {
    return (await client.ask("GET", keys[index]![1]!)) === "$-1\r\n";
  });
}

test("a script that was loaded is there on every server, whatever happens to them", async () => {
  await start(servers, 2);
  const [one, two] = await clientsOf(2);
  if (one === undefined || two === undefined) throw new Error("no clients");
  expect(await one.ask("SCRIPT", "LOAD", BODY)).toBe(`$40\r\n${SHA}\r\n`);
  for (const server of [0, 1, 2, 3]) {
    expect(await two.ask(...call(server))).toBe("$1\r\nx\r\n");
    expect(await straight(server, "SCRIPT", "EXISTS", SHA)).toBe("*1\r\n:1\r\n");
  }
  for (const client of [one, two]) {
    await restart(1);
    await isBack(client, 1);
    // In one piece: the script must be there before the first of them.
    client.command(call(1), call(1), ["GET", keys[1]![0]!], call(1));
    expect((await client.replies(4)).join("")).toBe("$1\r\nx\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\nx\r\n");
  }
  for (const client of [one, two]) {
    await straight(2, "SCRIPT", "FLUSH");
    expect(await client.ask(...call(2))).toBe("$1\r\nx\r\n");
  }
  expect(await two.ask("SCRIPT", "FLUSH")).toBe("+OK\r\n");
  for (const client of [one, two]) {
    for (const server of [0, 1, 2, 3]) expect(await client.ask(...call(server))).toBe(NO_SCRIPT);
  }
});

test("also of a worker that dies, of a new generation, and on a server that is new", async () => {
  await start(servers.filter((_, index) => index < 3));
  const one = await connect();
  await one.ask("SCRIPT", "LOAD", BODY);
  await one.ask("FUNCTION", "LOAD", LIBRARY);
  const [victim = Number.NaN] = proxy.workerPids();
  process.kill(victim, "SIGKILL");
  await until("it is replaced", async () => {
    const pids = proxy.workerPids();
    return pids.length === 1 && !pids.includes(victim);
  });
  const check = async (client: RespClient, behind: number): Promise<void> => {
    for (let server = 0; server < behind; server++) {
      await straight(server, "SCRIPT", "FLUSH");
      await straight(server, "FUNCTION", "FLUSH");
    }
    const own = keysByServer(behind, 1).map(([key]) => key!);
    for (const key of own) {
      expect(await client.ask("EVALSHA", SHA, "1", key, "y")).toBe("$1\r\ny\r\n");
      expect(await client.ask("FCALL", "twice", "1", key, "21")).toBe(":42\r\n");
    }
  };
  const two = await connect();
  await check(two, 3);
  const config = readFileSync(proxy.configFile, "utf8");
  writeFileSync(
    proxy.configFile,
    `${config.trimEnd()}\n    - 127.0.0.1:${servers[3]!.port}:1 s3\n`,
  );
  await mustRun(proxy, "reload");
  await check(two, 4);
  await mustRun(proxy, "upgrade");
  await check(two, 4);
  await mustRun(proxy, "upgrade");
  const three = await connect();
  await check(three, 4);
  // The supervisor was replaced twice, and still passes on what is told.
  await three.ask("SCRIPT", "FLUSH");
  expect(await two.ask(...call(0))).toBe(NO_SCRIPT);
});

test("functions are there on every server, and come again to one that lost them", async () => {
  await start(servers, 2);
  const [one, two] = await clientsOf(2);
  if (one === undefined || two === undefined) throw new Error("no clients");
  expect(await one.ask("FUNCTION", "LOAD", LIBRARY)).toBe("$3\r\nlib\r\n");
  const twice = (server: number): [string, ...string[]] =>
    [...["FCALL", "twice", "1", keys[server]![0]!, "4"]] as [string, ...string[]];
  for (const server of [0, 1, 2, 3]) expect(await two.ask(...twice(server))).toBe(":8\r\n");
  for (const client of [one, two]) {
    await restart(1);
    await isBack(client, 1);
    client.command(twice(1), twice(1));
    expect((await client.replies(2)).join("")).toBe(":8\r\n:8\r\n");
    await straight(2, "FUNCTION", "FLUSH");
    expect(await client.ask(...twice(2))).toBe(":8\r\n");
  }
  await one.ask("HELLO", "3");
  const dump = (await one.ask("FUNCTION", "DUMP")).replace(/^\$\d+\r\n|\r\n$/g, "");
  expect(await one.ask("FUNCTION", "DELETE", "lib")).toBe("+OK\r\n");
  for (const client of [one, two]) {
    expect(await client.ask(...twice(3))).toBe("-ERR Function not found\r\n");
  }
  expect(await one.ask("FUNCTION", "RESTORE", Buffer.from(dump, "latin1"))).toBe("+OK\r\n");
  expect(await two.ask(...twice(3))).toBe(":8\r\n");
  // The other worker is told, and may hear of it a moment later.
  await until("the other worker knows it", async () => {
    await straight(3, "FUNCTION", "FLUSH");
    return (await two.ask(...twice(3))) === ":8\r\n";
  });
});

test("in a transaction, too, the script is there", async () => {
  await start(servers);
  const client = await connect();
  await client.ask("SCRIPT", "LOAD", BODY);
  await client.ask("FUNCTION", "LOAD", LIBRARY);
  await restart(1);
  await isBack(client, 1);
  const key = keys[1]![0]!;
  client.command(
    ["MULTI"],
    // Queued before its server is known.
    ["FCALL", "twice", "0", "3"],
    ["SET", key, "5"],
    call(1),
    ["FCALL", "twice", "1", key, "4"],
    ["EXEC"],
  );
  expect((await client.replies(6)).join("")).toBe(
    `+OK\r\n${"+QUEUED\r\n".repeat(4)}*4\r\n:6\r\n+OK\r\n$1\r\nx\r\n:8\r\n`,
  );
  await restart(1);
  await isBack(client, 1);
  expect(await client.ask("WATCH", key)).toBe("+OK\r\n");
  expect(await client.ask(...call(1))).toBe("$1\r\nx\r\n");
});

test("over many servers what a transaction has run is on all of them", async () => {
  await start(servers);
  const client = await connect();
  const body = "return 'run in MULTI'";
  const sha = new Bun.CryptoHasher("sha1").update(body).digest("hex");
  const [here, elsewhere] = [keys[1]![0]!, keys[2]![0]!];
  client.command(["MULTI"], ["EVAL", body, "1", here], ["EXEC"]);
  await client.replies(3);
  const answer = "$12\r\nrun in MULTI\r\n";
  expect(await client.ask("EVALSHA", sha, "1", elsewhere)).toBe(answer);
  expect(await client.ask("SCRIPT", "EXISTS", sha)).toBe("*1\r\n:1\r\n");
});

test("over one server an EVAL that followed upon NOSCRIPT is remembered", async () => {
  await start(servers.filter((_, index) => index === 0));
  const client = await connect();
  const calls: [string, ...string[]] = ["EVALSHA", SHA, "1", "k", "z"];
  expect(await client.ask(...calls)).toBe(NO_SCRIPT);
  expect(await client.ask("EVAL", BODY, "1", "k", "z")).toBe("$1\r\nz\r\n");
  await restart(0);
  await until("the server is back", async () => (await client.ask("GET", "l")) === "$-1\r\n");
  expect(await client.ask(...calls)).toBe("$1\r\nz\r\n");
});

test("a script that does not end can be ended, over one server and over many", async () => {
  for (const behind of [servers.filter((_, index) => index === 3), servers]) {
    await straight(3, "CONFIG", "SET", "busy-reply-threshold", "20");
    await start(behind);
    const [one, two] = [await connect(), await connect()];
    if (behind.length === 1) await two.ask("SELECT", "1");
    expect(await two.ask("SCRIPT", "KILL")).toStartWith("-NOTBUSY ");
    const key = behind.length === 1 ? "k" : keys[3]![0]!;
    one.command(["EVAL", "while true do end", "1", key]);
    await until("it runs for too long", async () => {
      return (await straight(3, "PING")).startsWith("-BUSY");
    });
    expect(await two.ask("FUNCTION", "STATS")).toBe(await straight(3, "FUNCTION", "STATS"));
    expect(await two.ask("SCRIPT", "KILL")).toBe("+OK\r\n");
    expect((await one.reply()).toString()).toStartWith("-ERR Script killed by user");
    await two.ask("FUNCTION", "LOAD", ENDLESS);
    one.command(["FCALL", "endless", "1", key]);
    await until("it runs for too long", async () => {
      return (await straight(3, "PING")).startsWith("-BUSY");
    });
    expect(await two.ask("FUNCTION", "STATS")).toContain("endless");
    expect(await two.ask("FUNCTION", "KILL")).toBe("+OK\r\n");
    expect((await one.reply()).toString()).toStartWith("-ERR Script killed by user");
    expect(await one.ask("FUNCTION", "KILL")).toStartWith("-NOTBUSY ");
    if (behind.length === 1) await proxy.stop();
  }
});

test("SCRIPT LOAD while a server is down succeeds, and the server gets it when it is back", async () => {
  await start(servers);
  const client = await connect();
  for (const server of [0, 1, 2, 3]) await client.ask("GET", keys[server]![0]!);
  const { port: at } = servers[2]!;
  await servers[2]!.stop();
  await until("the proxy knows", async () => {
    return (await client.ask("GET", keys[2]![0]!)).startsWith("-ERR Connection refused");
  });
  expect(await client.ask("SCRIPT", "LOAD", BODY)).toBe(`$40\r\n${SHA}\r\n`);
  expect(await client.ask("SCRIPT", "FLUSH", "SYNC")).toStartWith("-ERR Connection refused");
  expect(await client.ask("SCRIPT", "LOAD", BODY)).toBe(`$40\r\n${SHA}\r\n`);
  expect(await client.ask("FUNCTION", "LOAD", LIBRARY)).toStartWith("-ERR Connection refused");
  servers[2] = await startRedis({ port: at });
  await isBack(client, 2);
  expect(await client.ask(...call(2))).toBe("$1\r\nx\r\n");
});
