/** Our rings against real twemproxy: the same pools, the same keys, every key on the same server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { sortServers } from "../../src/base/sort-servers.ts";
import { createHash } from "../../src/hash/hash-function.ts";
import { KeyHasher } from "../../src/hash/key-hasher.ts";
import { createRing } from "../../src/hash/ring.ts";
import { startNutcracker } from "../support/nutcracker.ts";
import {
  type PlacementCombination,
  placementCombinations,
  placementKeys,
  placementsThrough,
  poolYaml,
  ringName,
} from "../support/placement-combinations.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { makeDirectory } from "../support/server-process.ts";

const BACKENDS = 5;
const KEYS = 320;
/** Pools per nutcracker process: it holds a connection for each server of each pool. */
const BATCH = 40;

let backends: RedisServer[] = [];
let directory = "";

beforeAll(async () => {
  directory = makeDirectory("oracle");
  backends = await Promise.all(Array.from({ length: BACKENDS }, () => startRedis()));
});

afterAll(async () => {
  await Promise.all(backends.map((backend) => backend.stop()));
  rmSync(directory, { recursive: true, force: true });
});

function expectedPlacements(combination: PlacementCombination, keys: readonly Buffer[]): number[] {
  const servers = sortServers(
    combination.servers.map((server) => ({ ...server, name: ringName(server) })),
  );
  const ring = createRing(
    combination.distribution,
    servers,
    () => true,
    () => 0,
  );
  const hasher = new KeyHasher(createHash(combination.hash, true), combination.hashTag);
  return keys.map((key) => servers[ring.pick(hasher.hash(key, 0, key.length))]!.backend);
}

/** Compares every key of every combination; reports which combinations differ, and by how many keys. */
async function differences(
  combinations: readonly PlacementCombination[],
  servers: readonly RedisServer[],
): Promise<string[]> {
  const found: string[] = [];
  for (let from = 0; from < combinations.length; from += BATCH) {
    const batch = combinations.filter((_, i) => i >= from && i < from + BATCH);
    const socketOf = (i: number): string => join(directory, `${from + i}.sock`);
    const pools = batch.map((combination, i) => poolYaml(`p${i}`, socketOf(i), combination));
    const nutcracker = await startNutcracker(pools.join(""));
    try {
      for (const [i, combination] of batch.entries()) {
        const keys = placementKeys(KEYS, 1 + from + i);
        const actual = await placementsThrough({ socketPath: socketOf(i) }, servers, keys);
        const expected = expectedPlacements(combination, keys);
        const wrong = keys.filter((_, at) => actual[at] !== expected[at]);
        if (wrong.length > 0) {
          found.push(
            `${combination.label}: ${wrong.length} of ${keys.length}, ${wrong[0]?.toHex()}`,
          );
        }
      }
    } finally {
      await nutcracker.stop();
    }
  }
  return found;
}

describe("nutcracker 0.5.0 puts every key where our ring does", () => {
  test("every hash, distribution, tag, weights and names", async () => {
    const combinations = placementCombinations(backends);
    expect(combinations.length).toBeGreaterThan(300);
    expect(await differences(combinations, backends)).toEqual([]);
  }, 120_000);

  test("port 11211 is not part of a server's name", async () => {
    // The whole of 127.0.0.0/8 is the loopback: addresses of our own, so that nobody else has the port.
    const net = `127.${100 + (process.pid % 100)}.${(process.pid >>> 8) % 250}`;
    const standard = await Promise.all(
      [3, 20, 100].map((host) => startRedis({ host: `${net}.${host}`, port: 11211 })),
    );
    try {
      const servers = standard.map(({ host, port }, backend) => {
        return { address: `${host}:${port}`, weight: 1 + backend, alias: null, backend };
      });
      const combinations = (["ketama", "modula"] as const).map((distribution) => {
        const label = `11211 ${distribution}`;
        return { label, hash: "fnv1a_64" as const, distribution, hashTag: null, servers };
      });
      expect(await differences(combinations, standard)).toEqual([]);
    } finally {
      await Promise.all(standard.map((server) => server.stop()));
    }
  }, 120_000);

  test("keys do land on every server", async () => {
    // Guards the test itself: a comparison of constants would always succeed.
    const [combination] = placementCombinations(backends);
    const placed = new Set(expectedPlacements(combination!, placementKeys(KEYS, 7)));
    expect([...placed].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test("the exchange sees an error reply", async () => {
    const [reply] = await exchange(backends[0]!, [["GET"]]);
    expect(reply).toBeInstanceOf(Error);
  });
});
