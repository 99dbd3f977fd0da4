/** The embedded Redis answers what redis-server answers, byte for byte. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type DevRedis, startDevRedis } from "../../../src/dev/redis/dev-redis.ts";
import { type RedisServer, startRedis } from "../../support/redis-server.ts";
import { RespClient } from "../../support/resp-client.ts";
import { type RandomCommand, randomCommand, UNORDERED } from "./random-commands.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 300);

let redis: RedisServer;
let dev: DevRedis;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "dev-"));
  // Compact hashes answer in order of insertion, as the embedded ones do; the order of others is random.
  redis = await startRedis({ args: ["--hash-max-listpack-value", "65536"] });
  dev = startDevRedis({ unixPath: join(directory, "dev.sock") });
});

afterAll(async () => {
  dev.stop();
  await redis.stop();
  rmSync(directory, { recursive: true });
});

async function answers(client: RespClient, commands: readonly RandomCommand[]): Promise<string[]> {
  for (const command of commands)
    client.command(command.map((part) => Buffer.from(part, "latin1")));
  const replies = await client.replies(commands.length);
  return replies.map((reply, index) => {
    const text = reply.toString("latin1");
    const name = commands[index]?.[0] ?? "";
    if (name === "HELLO") return text.replace(/(?<=\$2\r\nid\r\n):\d+/, ":N");
    return UNORDERED.has(name) && /^[*~]/.test(text) ? sorted(text) : text;
  });
}

/** The items of an array or set of bulk strings, in order; items hold no line break that looks like a header. */
function sorted(reply: string): string {
  return reply
    .split(/(?=\$\d+\r\n)/)
    .sort()
    .join("");
}

async function bothAnswer(version: string, commands: readonly RandomCommand[]): Promise<void> {
  const fresh: RandomCommand[] = [["FLUSHALL"], ["HELLO", version], ...commands];
  const clients = await Promise.all([
    RespClient.connect({ socketPath: redis.socketPath }),
    RespClient.connect({ socketPath: dev.address }),
  ]);
  try {
    const [expected, actual] = await Promise.all(clients.map((client) => answers(client, fresh)));
    const shown = (replies: readonly string[] = []) =>
      replies.map((reply, index) => `${JSON.stringify(fresh[index])} → ${JSON.stringify(reply)}`);
    const alike = actual?.map((reply, index) => {
      const wanted = expected?.[index] ?? "";
      return isSameMoment(fresh[index]?.[0], reply, wanted) ? wanted : reply;
    });
    expect(shown(alike)).toEqual(shown(expected));
  } finally {
    for (const client of clients) client.close();
  }
}

/** A relative expiry became a moment on two servers, one a little after the other. */
function isSameMoment(name: string | undefined, actual: string, expected: string): boolean {
  const isMoment = name === "EXPIRETIME" || name === "PEXPIRETIME";
  return isMoment && Math.abs(Number(actual.substring(1)) - Number(expected.substring(1))) < 60_000;
}

test("random command sequences, in RESP2 and in RESP3", async () => {
  const sequence = fc.array(randomCommand, { minLength: 1, maxLength: 60, size: "max" });
  const run = fc.asyncProperty(sequence, async (commands) => {
    for (const version of ["2", "3"]) await bothAnswer(version, commands);
  });
  await fc.assert(run, { numRuns: RUNS, interruptAfterTimeLimit: 60_000 });
}, 120_000);

/** Every shape that the versions write differently, each seen for certain. */
const SHAPES: RandomCommand[] = [
  ["RANDOMKEY"],
  ...["GET", "HGETALL", "SMEMBERS", "SPOP", "LPOP", "ZPOPMIN", "HRANDFIELD", "ZRANDMEMBER"].map(
    (name) => [name, "none"],
  ),
  ...["SPOP", "SRANDMEMBER", "LPOP", "ZPOPMIN", "HRANDFIELD", "ZRANDMEMBER"].map((name) => [
    ...[name, "none", "2"],
  ]),
  ["SET", "str", "x"],
  ["RANDOMKEY"],
  ["MGET", "str", "none"],
  ["SET", "none", "x", "XX"],
  ["SET", "str", "y", "GET", "NX"],
  ["HSET", "hash", "field", "value", "other", "2"],
  ["HGETALL", "hash"],
  ["HMGET", "hash", "other", "none"],
  ["HSCAN", "hash", "0"],
  ["SADD", "set", "m"],
  ["SINTER", "set", "set"],
  ["SUNION", "set", "none"],
  ["SDIFF", "none", "set"],
  ["SMISMEMBER", "set", "m", "none"],
  ["SRANDMEMBER", "set", "-2"],
  ["SPOP", "set", "2"],
  ["ZADD", "zset", "1.5", "a", "-inf", "b", "inf", "c", "1e300", "d"],
  ["ZADD", "zset", "INCR", "0.1", "a"],
  ["ZADD", "zset", "NX", "INCR", "1", "a"],
  ["ZINCRBY", "zset", "0.1", "a"],
  ["ZMSCORE", "zset", "a", "none", "b", "c"],
  ["ZRANGE", "zset", "0", "-1", "WITHSCORES"],
  ["ZREVRANGEBYSCORE", "zset", "inf", "0", "WITHSCORES", "LIMIT", "0", "1"],
  ["ZRANK", "zset", "none"],
  ["ZSCAN", "zset", "0"],
  ["ZPOPMIN", "zset"],
  ["ZPOPMAX", "zset", "2"],
  ["ZRANDMEMBER", "zset", "-2", "WITHSCORES"],
  ["HDEL", "hash", "other"],
  ["HRANDFIELD", "hash", "-2", "WITHVALUES"],
  ...["GETDEL", "GETEX", "RPOP"].map((name) => [name, "none"]),
  ...["GETSET", "HGET", "LINDEX", "RPOPLPUSH", "ZSCORE", "ZREVRANK", "LPOS"].map((name) => [
    ...[name, "none", "0"],
  ]),
  ["LMOVE", "none", "none", "LEFT", "LEFT"],
  ["RPUSH", "list", "x"],
  ["LPOS", "list", "y"],
  ["LINDEX", "list", "9"],
  ["ZADD", "none", "XX", "INCR", "1", "a"],
  ["LPOS", "none", "x", "COUNT", "0"],
  ["CLIENT", "GETNAME"],
  ["CONFIG", "GET", "save"],
  ["COMMAND", "DOCS", "none"],
  ["HELLO"],
  ["HELLO", "4"],
  ["GET", "none"],
];

test.each(["2", "3"])("every shape that depends on the version, in RESP%s", async (version) => {
  await bothAnswer(version, SHAPES);
});

test("INFO and CLIENT LIST are verbatim text in RESP3 and bulk strings in RESP2", async () => {
  const client = await RespClient.connect({ socketPath: dev.address });
  expect(await client.ask("INFO", "persistence")).toBe("$26\r\n# Persistence\r\nloading:0\r\n\r\n");
  await client.ask("HELLO", "3", "SETNAME", "me");
  expect(await client.ask("INFO", "persistence")).toBe(
    "=30\r\ntxt:# Persistence\r\nloading:0\r\n\r\n",
  );
  expect(await client.ask("CLIENT", "INFO")).toMatch(/^=\d+\r\ntxt:id=\d+ .*name=me db=0\n\r\n$/);
  expect(await client.ask("CLIENT", "LIST")).toMatch(/^=\d+\r\ntxt:id=\d+ /);
  client.close();
});
