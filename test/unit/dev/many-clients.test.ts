/** The embedded Redis with several clients at once, and a real one: transactions, subscribers, and who waits for elements. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type DevRedis, startDevRedis } from "../../../src/dev/redis/dev-redis.ts";
import { type RedisServer, startRedis } from "../../support/redis-server.ts";
import { RespClient } from "../../support/resp-client.ts";
import type { Endpoint } from "../../support/server-process.ts";

/** A client's letter and its request; or "X <" and how many replies it gets before the next step. */
type Step = string;

const SCRIPTS: Readonly<Record<string, readonly Step[]>> = {
  "a transaction": ["a MULTI", "a SET k 1", "a INCR k", "a GET nothing", "a EXEC", "a GET k"],
  discarded: ["a SET k 1", "a MULTI", "a SET k 2", "a DISCARD", "a GET k", "a DISCARD", "a EXEC"],
  "refused inside": [
    "a MULTI",
    "a NOSUCH",
    "a SET k 1",
    "a EXEC",
    "a GET k",
    "a MULTI",
    "a GET",
    "a EXEC",
  ],
  "fails inside": ["a SET k x", "a MULTI", "a INCR k", "a SET k 2", "a EXEC", "a GET k"],
  nested: ["a MULTI", "a MULTI", "a WATCH k", "a SET k 1", "a EXEC"],
  "a watched key that changes": [
    "a WATCH k",
    "b SET k 1",
    "a MULTI",
    "a GET k",
    "a EXEC",
    "a MULTI",
    "a EXEC",
  ],
  "a watched key that stays": [
    "a WATCH k",
    "b SET other 1",
    "b GET k",
    "a MULTI",
    "a SET k 1",
    "a EXEC",
  ],
  unwatched: ["a WATCH k", "b SET k 1", "a UNWATCH", "a MULTI", "a GET k", "a EXEC"],
  "flushed while watched": ["a SET k 1", "a WATCH k", "b FLUSHALL", "a MULTI", "a EXEC"],
  "a channel": [
    "a SUBSCRIBE c d",
    "a < 1",
    "b PUBLISH c hello",
    "a < 1",
    "b PUBLISH nobody x",
    "a UNSUBSCRIBE d c",
    "a < 1",
  ],
  "a pattern": [
    "a PSUBSCRIBE c*",
    "b PUBLISH cat meow",
    "a < 1",
    "b PUBLISH dog wuff",
    "a PUNSUBSCRIBE c*",
  ],
  "a shard's channel": [
    "a SSUBSCRIBE c",
    "b SPUBLISH c hello",
    "a < 1",
    "b PUBLISH c not-you",
    "b PUBSUB SHARDNUMSUB c",
  ],
  "a subscriber is restricted": [
    "a SUBSCRIBE c",
    "a GET k",
    "a PING",
    "a PING x",
    "a UNSUBSCRIBE c",
    "a GET k",
    "a PING",
  ],
  "not in RESP3": [
    "a HELLO 3",
    "a SUBSCRIBE c",
    "a SET k 1",
    "b PUBLISH c hello",
    "a < 1",
    "a GET k",
  ],
  "numbers of subscribers": [
    "a SUBSCRIBE c",
    "b PSUBSCRIBE p*",
    "d PUBSUB CHANNELS",
    "d PUBSUB NUMSUB c x",
    "d PUBSUB NUMPAT",
  ],
  "an element that is there": [
    "a RPUSH l 1 2 3",
    "a BLPOP x l 0",
    "a BRPOP l x 1",
    "a BLMOVE l m LEFT RIGHT 0",
    "a LRANGE m 0 -1",
  ],
  "an element that comes": ["a BLPOP x l 0 &", "b RPUSH l 1", "a < 1", "a EXISTS l"],
  "whoever waits longest": ["a BLPOP l 0 &", "b BRPOP l 0 &", "d RPUSH l 1 2", "a < 1", "b < 1"],
  "an element of a sorted set": [
    "a BZPOPMIN z 0 &",
    "b ZADD z 2 two 1 one",
    "a < 1",
    "a BZPOPMAX z 0",
  ],
  "time is over": ["a BLPOP l 0.01", "a BLMOVE l m LEFT LEFT 0.01", "a BLPOP l -1", "a BLPOP l x"],
  "no blocking inside a transaction": ["a MULTI", "a BLPOP l 0", "a BRPOPLPUSH l m 0", "a EXEC"],
  "what follows waits, too": [
    "a BLPOP l 0 &",
    "a SET k 1 &",
    "b GET k",
    "b RPUSH l 1",
    "a < 2",
    "b GET k",
  ],
};

let dev: DevRedis;
let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

beforeEach(async () => {
  const client = await RespClient.connect(redis);
  await client.ask("FLUSHALL");
  await client.close();
});

/** What each step gave, by client. */
async function play(endpoint: Endpoint, steps: readonly Step[]): Promise<string[]> {
  const clients = new Map<string, RespClient>();
  const seen: string[] = [];
  for (const step of steps) {
    const [name = "", ...words] = step.split(" ");
    const client = clients.get(name) ?? (await RespClient.connect(endpoint));
    clients.set(name, client);
    const isLeft = words.at(-1) === "&";
    if (isLeft) words.pop();
    if (words[0] !== "<") client.command(words);
    const expected = words[0] === "<" ? Number(words[1]) : isLeft ? 0 : 1;
    if (isLeft) await client.sent();
    for (let i = 0; i < expected; i++) seen.push(`${name}: ${await client.reply()}`);
    // Another client's ECHO comes back after the server has seen what was sent before it.
    if (isLeft) await settled(endpoint);
  }
  for (const client of clients.values()) await client.close();
  return seen.map((line) => line.replace(/(\r\n\$2\r\nid\r\n:)\d+/, "$1ID"));
}

async function settled(endpoint: Endpoint): Promise<void> {
  const other = await RespClient.connect(endpoint);
  await other.ask("ECHO", "x");
  await other.close();
}

describe("as a real Redis", () => {
  for (const [name, steps] of Object.entries(SCRIPTS)) {
    test(name, async () => {
      dev = startDevRedis({ unixPath: null });
      const [host = "", port] = dev.address.split(":");
      try {
        const expected = await play(redis, steps);
        expect(await play({ host, port: Number(port) }, steps)).toEqual(expected);
      } finally {
        dev.stop();
      }
    });
  }
});
