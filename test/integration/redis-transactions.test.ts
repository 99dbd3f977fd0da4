/** Transactions over several servers, when servers are lost, and when clients move in the middle of one. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { freePort } from "../support/free-port.ts";
import { keysByServer, redisPool, startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";
import { stopProcess } from "../support/stop-process.ts";
import { TestGeneration, type TestWorker } from "../support/worker-process.ts";

setDefaultTimeout(120_000);

const [[A, B] = ["", ""], [OTHER] = [""]] = keysByServer(2, 2) as [string[], string[]];
const EXECABORT = "-EXECABORT Transaction discarded because of previous errors.";

let servers: RedisServer[] = [];
let port = 0;
const stops: (() => unknown)[] = [];

beforeEach(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
  port = freePort();
});

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await Promise.all(servers.map((server) => server.stop()));
});

function pool(behind: readonly RedisServer[] = servers): string {
  return redisPool({ listen: `127.0.0.1:${port}`, servers: behind });
}

async function connect(): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(() => client.close());
  return client;
}

/** Sends all requests at once and tells the replies, each without its last line end. */
async function talk(client: RespClient, ...requests: readonly string[]): Promise<string[]> {
  client.command(...requests.map((request) => request.split(" ")));
  const replies = await client.replies(requests.length);
  return replies.map((reply) => reply.toString("latin1").trimEnd().replaceAll("\r\n", " "));
}

describe("over two servers", () => {
  beforeEach(async () => {
    const config = pool().replace("  servers:", "  timeout: 500\n  servers:");
    const proxy = await startProxy({ config, args: ["--workers", "1"] });
    stops.push(() => proxy.stop());
  });

  test("a transaction runs where its first key is, and nowhere else", async () => {
    const client = await connect();
    expect(await talk(client, "MULTI", "PING", `INCR ${A}`, "ECHO e", `INCR ${B}`, "EXEC")).toEqual(
      ["+OK", "+QUEUED", "+QUEUED", "+QUEUED", "+QUEUED", "*4 +PONG :1 $1 e :1"],
    );
    const [, , second, , end] = await talk(
      client,
      ...["MULTI", `INCR ${A}`, `INCR ${OTHER}`, `INCR ${B}`, "EXEC"],
    );
    expect(second).toContain("-CROSSSLOT 'INCR' concerns another server");
    expect(second).toContain("the pool has no hash_tag");
    expect(end).toBe(EXECABORT);
    expect(await talk(client, `MGET ${A} ${B} ${OTHER}`)).toEqual(["*3 $1 1 $1 1 $-1"]);
  });

  test("what concerns all servers cannot be in a transaction", async () => {
    const client = await connect();
    const commands = ["DBSIZE", "KEYS *", "FLUSHALL", "SCAN 0", "INFO", "SCRIPT FLUSH"];
    for (const command of commands) {
      const [, refusal, end] = await talk(client, "MULTI", command, "EXEC");
      expect(refusal).toContain("concerns all servers of the pool");
      expect(end).toBe(EXECABORT);
    }
  });

  test("a server that is lost in a transaction, or while it watches", async () => {
    const [client, watcher] = [await connect(), await connect()];
    await talk(client, "MULTI", `SET ${A} v`);
    await talk(watcher, `WATCH ${A}`, "MULTI");
    await servers[0]!.stop();
    let reply: string | undefined;
    do [reply] = await talk(client, `SET ${A} w`);
    while (reply === "+QUEUED");
    expect(reply).toMatch(/^-ERR .*server s0/);
    expect((await talk(client, "EXEC"))[0]).toStartWith("-EXECABORT Transaction discarded because");
    expect(await talk(watcher, "EXEC")).toEqual(["*-1"]);
    expect(await talk(client, `SET ${OTHER} v`)).toEqual(["+OK"]);
  });

  test("EXEC without a reply in time may have been executed, and that is told", async () => {
    const client = await connect();
    await talk(client, "MULTI", `SET ${A} v`);
    await stopProcess(servers[0]!.pid);
    const [reply] = await talk(client, "EXEC");
    process.kill(servers[0]!.pid, "SIGCONT");
    expect(reply).toContain("may or may not have been executed");
    // Whatever the server says now is for nobody.
    expect(await talk(client, "MULTI", `ECHO e`, `GET ${OTHER}`, "EXEC")).toEqual([
      ...["+OK", "+QUEUED", "+QUEUED"],
      "*2 $1 e $-1",
    ]);
  });
});

describe("a client that moves to another process", () => {
  let generation: TestGeneration;
  let worker: TestWorker;

  beforeEach(async () => {
    generation = new TestGeneration(pool(), port);
    worker = await generation.start();
    stops.push(() => generation.stop());
  });

  /** Everybody moves to a new worker, and the old one goes. */
  async function move(): Promise<void> {
    const successor = await generation.start(false);
    expect(await worker.handOverTo(successor, null, "pool")).toMatchObject({ left: 0 });
    expect(await worker.exited).toBe(0);
    worker = successor;
  }

  test("goes on with its transaction, whatever it was at", async () => {
    const begun = await connect();
    await talk(begun, "MULTI");
    const keyless = await connect();
    await talk(keyless, "MULTI", "ECHO before");
    const queued = await connect();
    await talk(queued, "HELLO 3");
    await talk(queued, "MULTI", `HSET ${A} f v`, "ECHO 1");
    const failed = await connect();
    await talk(failed, "MULTI", `SET ${OTHER} failed`, "NOSUCH");
    const named = await connect();
    await talk(named, "MULTI", "CLIENT SETNAME me", `GET ${OTHER}`);
    for (let round = 0; round < 2; round++) await move();
    expect(await talk(begun, `SET ${B} 1`, "EXEC")).toEqual(["+QUEUED", "*1 +OK"]);
    expect(await talk(keyless, `INCR ${B}`, "EXEC")).toEqual(["+QUEUED", "*2 $6 before :2"]);
    expect(await talk(queued, `HGETALL ${A}`, "EXEC")).toEqual([
      "+QUEUED",
      "*3 :1 $1 1 %1 $1 f $1 v",
    ]);
    expect(await talk(failed, `SET ${OTHER} failed`, "EXEC", `GET ${OTHER}`)).toEqual([
      "+QUEUED",
      EXECABORT,
      "$-1",
    ]);
    expect(await talk(named, "CLIENT GETNAME", "EXEC")).toEqual(["+QUEUED", "*3 +OK $-1 $2 me"]);
    // The connections are as good as any afterwards.
    expect(await talk(queued, "MULTI", `HGET ${A} f`, "EXEC")).toEqual([
      "+OK",
      "+QUEUED",
      "*1 $1 v",
    ]);
  });

  test("still watches what it watched", async () => {
    const [winner, loser, before] = [await connect(), await connect(), await connect()];
    await talk(winner, `WATCH ${A}`, "MULTI", `SET ${A} mine`);
    await talk(loser, `WATCH ${B}`);
    await talk(before, `WATCH ${B}`);
    await exchange(servers[0]!, [["SET", `${B}`, "changed"]]);
    await move();
    await exchange(servers[0]!, [["SET", `${B}`, "changed again"]]);
    expect(await talk(winner, "EXEC", `GET ${A}`)).toEqual(["*1 +OK", "$4 mine"]);
    expect(await talk(loser, "MULTI", `SET ${B} mine`, "EXEC")).toEqual(["+OK", "+QUEUED", "*-1"]);
    expect(await talk(before, "UNWATCH", "MULTI", `SET ${B} mine`, "EXEC")).toEqual([
      "+OK",
      "+OK",
      "+QUEUED",
      "*1 +OK",
    ]);
  });

  test("in the middle of a stream of transactions loses none and repeats none", async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, connect));
    let isOver = false;
    let done = 0;
    const streams = clients.map(async (client) => {
      while (!isOver) {
        const replies = await talk(client, "MULTI", `INCR ${A}`, `INCR ${B}`, "EXEC");
        expect(replies.at(-1)).toMatch(/^\*2 :(\d+) :\1$/);
        done++;
      }
    });
    for (let round = 0; round < 5; round++) await move();
    isOver = true;
    await Promise.all(streams);
    expect(await talk(clients[0]!, `MGET ${A} ${B}`)).toEqual([
      `*2 $${`${done}`.length} ${done} $${`${done}`.length} ${done}`,
    ]);
  });
});

test("a transaction survives an upgrade, and dies with its server in a reload", async () => {
  const proxy = await startProxy({ config: pool(), args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  const [kept, doomed, watching] = [await connect(), await connect(), await connect()];
  await talk(kept, "MULTI", `SET ${A} v`);
  await talk(doomed, "MULTI", `SET ${OTHER} v`);
  await talk(watching, `WATCH ${OTHER}`);
  expect(await mustRun(proxy, "upgrade")).toMatchObject({ crew: { left: 0, lost: 0 } });
  expect(await talk(doomed, `SET ${OTHER} w`)).toEqual(["+QUEUED"]);
  const third = await startRedis();
  servers.push(third);
  writeFileSync(proxy.configFile, pool([servers[0]!, third]));
  expect(await mustRun(proxy, "reload")).toMatchObject({ crew: { left: 0, lost: 0 } });
  expect(await talk(kept, `APPEND ${A} w`, "EXEC")).toEqual(["+QUEUED", "*2 +OK :2"]);
  const [refused, end] = await talk(doomed, `SET ${OTHER} x`, "EXEC");
  expect(refused).toBe("-ERR the connection to the server was lost");
  expect(end).toStartWith("-EXECABORT Transaction discarded because of:");
  expect(await talk(watching, "MULTI", "EXEC")).toEqual(["+OK", "*-1"]);
  expect(await talk(doomed, `GET ${OTHER}`)).toEqual(["$-1"]);
  expect(await exchange(servers[1]!, [["GET", `${OTHER}`]])).toEqual([null]);
});
