/** What was written through nutcracker is found through this proxy: same file, same key, same server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { startNutcracker } from "../support/nutcracker.ts";
import {
  type PlacementCombination,
  placementCombinations,
  placementKeys,
  poolYaml,
} from "../support/placement-combinations.ts";
import { startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { makeDirectory } from "../support/server-process.ts";

const BACKENDS = 5;
/** Per kind of pool: there are over three hundred kinds. */
const KEYS = 600;
/** Pools per process: nutcracker holds a connection for each server of each pool. */
const BATCH = 40;

let backends: RedisServer[] = [];
let directory = "";

beforeAll(async () => {
  directory = makeDirectory("placement");
  backends = await Promise.all(Array.from({ length: BACKENDS }, () => startRedis()));
});

afterAll(async () => {
  await Promise.all(backends.map((backend) => backend.stop()));
  rmSync(directory, { recursive: true, force: true });
});

/** Writes through nutcracker, reads through the proxy. Returns how many keys were not found, or found with another value. */
async function lostKeys(nutcracker: string, proxy: string, seed: number): Promise<number> {
  await Promise.all(backends.map((backend) => exchange(backend, [["FLUSHALL"]])));
  const keys = placementKeys(KEYS, seed);
  const written = await exchange(
    { socketPath: nutcracker },
    keys.map((key, i) => ["SET", key, `${seed}:${i}`]),
  );
  expect(written.every((reply) => `${reply}` === "OK")).toBe(true);
  const read = await exchange(
    { socketPath: proxy },
    keys.map((key) => ["GET", key]),
  );
  return read.filter((reply, i) => `${reply}` !== `${seed}:${i}`).length;
}

async function compareBatch(
  batch: readonly PlacementCombination[],
  seed: number,
): Promise<string[]> {
  const socket = (who: string, i: number): string => join(directory, `${who}${seed + i}.sock`);
  const yaml = (who: string): string =>
    batch.map((combination, i) => poolYaml(`p${i}`, socket(who, i), combination)).join("");
  const nutcracker = await startNutcracker(yaml("n"));
  const proxy = await startProxy({ config: yaml("p"), args: ["--workers", "2", "--reuseport"] });
  const wrong: string[] = [];
  try {
    for (const [i, { label }] of batch.entries()) {
      const lost = await lostKeys(socket("n", i), socket("p", i), seed + i);
      if (lost > 0) wrong.push(`${label}: ${lost} of ${KEYS} keys`);
    }
  } finally {
    await proxy.stop();
    await nutcracker.stop();
  }
  return wrong;
}

test("every key of every kind of pool is found where nutcracker put it", async () => {
  const combinations = placementCombinations(backends);
  expect(combinations.length).toBeGreaterThan(300);
  const wrong: string[] = [];
  for (let from = 0; from < combinations.length; from += BATCH) {
    const batch = combinations.filter((_, i) => i >= from && i < from + BATCH);
    wrong.push(...(await compareBatch(batch, from + 1)));
  }
  expect(wrong).toEqual([]);
}, 240_000);
