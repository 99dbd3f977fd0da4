/** SCAN over four servers sees every key that is there from start to end. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { type FourShards, repliesTo, SHARDS, startFourShards } from "../support/four-shards.ts";
import { keysByServer } from "../support/proxy-process.ts";
import type { RedisCommand } from "../support/redis-exchange.ts";
import { RespClient } from "../support/resp-client.ts";

let rig: FourShards;

beforeAll(async () => {
  rig = await startFourShards();
});

afterAll(async () => {
  await rig.stop();
});

beforeEach(async () => {
  await rig.onAll(["FLUSHALL"]);
});

describe("SCAN over four servers", () => {
  async function scan(...options: string[]): Promise<{ seen: string[]; cursors: string[] }> {
    const client = await RespClient.connect(rig.many);
    const [seen, cursors]: [string[], string[]] = [[], []];
    let cursor = "0";
    try {
      do {
        const reply = await client.ask("SCAN", cursor, ...options);
        const found = /^\*2\r\n\$\d+\r\n(\d+)\r\n\*\d+\r\n/.exec(reply);
        if (found === null) throw new Error(reply);
        cursor = found[1]!;
        cursors.push(cursor);
        seen.push(
          ...[...reply.substring(found[0].length).matchAll(/\$\d+\r\n(.*)\r\n/g)].map(
            ([, key]) => key!,
          ),
        );
      } while (cursor !== "0");
    } finally {
      client.close();
    }
    return { seen, cursors };
  }

  test("sees every key, whatever the step", async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `scan:${i}`);
    await rig.overMany(...keys.map((key): RedisCommand => ["SET", key, "1"]));
    for (const count of ["1", "7", "10", "5000"]) {
      const { seen, cursors } = await scan("COUNT", count);
      expect([...new Set(seen)].sort()).toEqual([...keys].sort());
      for (const cursor of cursors) expect(BigInt(cursor) < 2n ** 64n).toBe(true);
    }
  });

  test("passes over servers that are empty", async () => {
    for (const mine of keysByServer(SHARDS, 3)) {
      await rig.onAll(["FLUSHALL"]);
      await rig.overMany(...mine.map((key): RedisCommand => ["SET", key, "1"]));
      expect((await scan()).seen.sort()).toEqual([...mine].sort());
    }
    await rig.onAll(["FLUSHALL"]);
    expect((await scan()).seen).toEqual([]);
  });

  test("sees what is there from start to end while other keys come and go and tables grow", async () => {
    const keys = Array.from({ length: 300 }, (_, i) => `stays:${i}`);
    await rig.overMany(...keys.map((key): RedisCommand => ["SET", key, "1"]));
    let noise = 0;
    const seen = new Set<string>();
    const client = await RespClient.connect(rig.many);
    let cursor = "0";
    do {
      const reply = await client.ask("SCAN", cursor, "COUNT", "10");
      cursor = /^\*2\r\n\$\d+\r\n(\d+)/.exec(reply)![1]!;
      for (const [key] of reply.matchAll(/stays:\d+/g)) seen.add(key);
      const more = Array.from({ length: 6 }, (): RedisCommand => ["SET", `comes:${noise++}`, "1"]);
      await rig.overMany(...more, ["DEL", `comes:${noise - 2}`, `comes:${noise - 9}`]);
    } while (cursor !== "0" && noise < 20_000);
    client.close();
    expect(cursor).toBe("0");
    expect([...seen].sort()).toEqual([...keys].sort());
  });

  test("all options pass, and all servers judge them", async () => {
    const mine = keysByServer(SHARDS, 2).flat();
    await rig.overMany(...mine.map((key): RedisCommand => ["SET", key, "1"]), [
      "LPUSH",
      "list",
      "1",
    ]);
    expect((await scan("TYPE", "list", "COUNT", "100")).seen).toEqual(["list"]);
    expect((await scan("MATCH", mine[0]!)).seen).toEqual([mine[0]!]);
    const wrong: RedisCommand[] = [
      ["SCAN", "0", "COUNT", "0"],
      ["SCAN", "0", "COUNT", "x"],
      ["SCAN", "0", "BAD"],
      ["SCAN", "0", "MATCH"],
      ["SCAN"],
      ["SCAN", "x"],
      ["SCAN", "1x"],
      ["SCAN", " 1"],
      ["SCAN", "+"],
      ["SCAN", "18446744073709551616"],
      ["SCAN", "-18446744073709551616"],
    ];
    expect(await repliesTo(rig.many, 2, wrong)).toEqual(await repliesTo(rig.straight, 2, wrong));
    const fine: RedisCommand[] = [
      ["SCAN", ""],
      ["SCAN", "+0"],
      ["SCAN", "-1"],
      ["SCAN", "18446744073709551615"],
      ["SCAN", "0\0x"],
    ];
    for (const reply of await repliesTo(rig.many, 2, fine)) expect(reply).toStartWith("*2");
    for (const reply of await repliesTo(rig.straight, 2, fine)) expect(reply).toStartWith("*2");
  });

  test("iterators of clients see every key once", async () => {
    const keys = Array.from({ length: 200 }, (_, i) => `it:${i}`);
    await rig.overMany(...keys.map((key): RedisCommand => ["SET", key, "1"]));
    const { port } = rig.many as { port: number };
    const ioredis = new Redis(port, "127.0.0.1");
    const first: string[] = [];
    for await (const some of ioredis.scanStream({ match: "it:*", count: 20 })) first.push(...some);
    ioredis.disconnect();
    expect(first.sort()).toEqual([...keys].sort());
    const nodeRedis = await createClient({ url: `redis://127.0.0.1:${port}`, RESP: 3 }).connect();
    const second: string[] = [];
    for await (const some of nodeRedis.scanIterator({ MATCH: "it:*" })) {
      second.push(...(Array.isArray(some) ? some : [some]));
    }
    nodeRedis.destroy();
    expect(second.sort()).toEqual([...keys].sort());
  });
});
