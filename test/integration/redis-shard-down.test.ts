/** With one of several servers away: what needs all is refused, what does not goes on, and clients still become ready. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { type FourShards, SHARDS, startFourShards } from "../support/four-shards.ts";
import { keysByServer } from "../support/proxy-process.ts";
import { exchange, type RedisCommand } from "../support/redis-exchange.ts";

const AWAY = 2;
const DEADLINE_MS = 30_000;

let rig: FourShards;

beforeAll(async () => {
  rig = await startFourShards(["timeout: 2000"]);
  await rig.overMany(...KEYS.flat().map((key): RedisCommand => ["SET", key, "1"]));
  await rig.shards[AWAY]!.stop();
  // The proxy notices with the next request.
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await info("proxy")).includes(`proxy_server${AWAY}:name=s${AWAY},state=down`)) {
    if (performance.now() > deadline) throw new Error("the loss was not noticed");
    await rig.overMany(["GET", KEYS[AWAY]![0]!]);
  }
});

afterAll(async () => {
  await rig.stop();
});

const KEYS = keysByServer(SHARDS, 3);

async function info(...sections: string[]): Promise<string> {
  return String((await rig.overMany(["INFO", ...sections]))[0]);
}

test("what needs all servers is refused, and nothing is done", async () => {
  const commands = [["FLUSHALL"], ["DBSIZE"], ["KEYS", "*"], ["WAIT", "0", "0"]];
  for (const reply of await rig.overMany(...commands)) {
    expect(reply).toBeInstanceOf(Error);
    expect((reply as Error).message).toContain(`server s${AWAY} is not available`);
  }
  for (const [index, shard] of rig.shards.entries()) {
    if (index !== AWAY) expect(await exchange(shard, [["DBSIZE"]])).toEqual([3]);
  }
});

test("RANDOMKEY is a key of those that are there", async () => {
  const there = KEYS.filter((_, index) => index !== AWAY).flat();
  for (let i = 0; i < 10; i++) {
    expect(there).toContain(String((await rig.overMany(["RANDOMKEY"]))[0]));
  }
});

test("SCAN goes as far as it can, and the cursor stays good", async () => {
  let cursor = "0";
  const seen: string[] = [];
  for (;;) {
    const [reply] = await rig.overMany(["SCAN", cursor, "COUNT", "100"]);
    if (!Array.isArray(reply)) {
      expect(String(reply)).toContain(`server s${AWAY} is not available`);
      break;
    }
    cursor = String(reply[0]);
    seen.push(...(reply[1] as Buffer[]).map(String));
  }
  expect(Number(cursor) % SHARDS).toBe(AWAY);
  expect(seen.sort()).toEqual(
    KEYS.filter((_, index) => index < AWAY)
      .flat()
      .sort(),
  );
});

test("what any server can answer is answered", async () => {
  for (let i = 0; i < 2 * SHARDS; i++) {
    expect(Array.isArray((await rig.overMany(["TIME"]))[0])).toBe(true);
  }
});

test("INFO is of those that are there, and clients become ready", async () => {
  expect(await info()).toContain("\r\ndb0:keys=9,expires=0,avg_ttl=0\r\n");
  expect(await info()).toContain(`proxy_servers_up:${SHARDS - 1}\r\n`);
  const { port } = rig.many as { port: number };
  const ioredis = new Redis(port, "127.0.0.1", { enableReadyCheck: true, retryStrategy: null });
  expect(await ioredis.get(KEYS[0]![0]!)).toBe("1");
  ioredis.disconnect();
  const nodeRedis = await createClient({ url: `redis://127.0.0.1:${port}`, RESP: 3 }).connect();
  expect(await nodeRedis.get(KEYS[0]![0]!)).toBe("1");
  nodeRedis.destroy();
});
