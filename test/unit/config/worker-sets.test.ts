/** Which worker serves which pools. */
import { expect, test } from "bun:test";
import type { Config } from "../../../src/api/config.ts";
import { poolsFor, setOf, workerSets, workersIn } from "../../../src/config/worker-sets.ts";
import { loadConfig } from "../../support/load-config.ts";

const SERVERS = "servers: [h:1:1]";

function load(...pools: string[]): Config {
  const text = `workers: 2\npools:\n${pools.map((pool, i) => `  p${i}: { listen: "h:${i + 2}", ${pool} }\n`).join("")}`;
  const { config, problems } = loadConfig(text, "proxy.yaml");
  expect(problems).toEqual([]);
  return config!;
}

test("pools without workers of their own share one set, whose workers are the first ones", () => {
  const own = `workers: { own: 2, cpus: "3,4", client_memory: 64mb }, ${SERVERS}`;
  const config = load(SERVERS, own, SERVERS, `workers: { own: 1 }, ${SERVERS}`);
  expect(config.pools[1]!.workers).toEqual({
    ...{ own: 2, cpus: [3, 4], clientMemoryBytes: 64 * 1024 * 1024 },
  });
  expect(config.pools[3]!.workers).toEqual({ own: 1, cpus: null, clientMemoryBytes: null });
  const sets = workerSets(config, 2);
  expect(sets).toEqual([
    { pool: null, pools: ["p0", "p2"], first: 0, size: 2 },
    { pool: "p1", pools: ["p1"], first: 2, size: 2 },
    { pool: "p3", pools: ["p3"], first: 4, size: 1 },
  ]);
  expect(workersIn(sets)).toBe(5);
  expect([0, 1, 2, 3, 4].map((index) => setOf(sets, index).pool)).toEqual([
    ...[null, null, "p1", "p1", "p3"],
  ]);
  expect(() => setOf(sets, 5)).toThrow("belongs to no set");
});

test("when each pool has its own, none are shared", () => {
  const config = load(`workers: { own: 1 }, ${SERVERS}`);
  expect(workerSets(config, 8)).toEqual([{ pool: "p0", pools: ["p0"], first: 0, size: 1 }]);
});

test("a worker has the pools that it serves, and those that their routes lead to", () => {
  const config = load(
    `route: { failover: p2, main: p1 }`,
    `workers: { own: 1 }, ${SERVERS}`,
    SERVERS,
    `workers: { own: 1 }, route: { prefixes: { x: p2 }, default: p1 }`,
  );
  const names = workerSets(config, 1).map((set) => poolsFor(config, set).map(({ name }) => name));
  expect(names).toEqual([["p0", "p1", "p2"], ["p1"], ["p1", "p2", "p3"]]);
});

test.each([
  ["workers: 2", 'workers: expected a map such as "{ own: 2 }"'],
  ["workers: { cpus: [1] }", '"own" is missing'],
  ["workers: { own: 0 }", "workers: own: expected a whole number from 1"],
  ["workers: { own: 1, cpu: 2 }", 'unknown key "cpu"; did you mean "cpus"?'],
])("what is wrong is told: %s", (line, message) => {
  const text = `pools:\n  a: { listen: "h:2", ${line}, ${SERVERS} }\n`;
  const { config, problems } = loadConfig(text, "proxy.yaml");
  expect(config).toBeNull();
  expect(problems.map((problem) => problem.message).join()).toContain(message);
});
