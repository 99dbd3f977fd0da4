/** What `proxy dev` tells a newcomer to type shows what it says. */
import { beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DEV_KEYS, DEV_POOL, devConfigText } from "../../../src/cli/dev-facts.ts";
import { routeKeys } from "../../../src/cli/key-route.ts";
import { initHashes } from "../../../src/hash/hash-function.ts";
import { loadConfig } from "../../support/load-config.ts";

beforeAll(initHashes);

/** The shards that have the keys of the examples, when there are so many. */
function shardsOf(count: number): Set<string | null> {
  const addresses = Array.from({ length: count }, (_, index) => `/run/shard-${index}.sock`);
  const backend = { redis: addresses, memcached: addresses };
  const { config } = loadConfig(devConfigText({ redis: 1, memcache: 2 }, 1, backend), "F");
  const pool = config!.pools.find(({ name }) => name === DEV_POOL)!;
  const keys = DEV_KEYS.map((key) => Buffer.from(key));
  return new Set(routeKeys(pool, keys).map(({ server }) => server));
}

test("the keys of the examples are on all shards, and on several however many there are", () => {
  expect(shardsOf(4).size).toBe(DEV_KEYS.length);
  for (const count of [2, 3, 5, 8]) expect(shardsOf(count).size).toBeGreaterThan(1);
});

test("README has the same keys", () => {
  const readme = readFileSync(join(import.meta.dir, "../../../README.md"), "utf8");
  expect(readme).toContain(`mget ${DEV_KEYS.join(" ")}\n`);
});
