/** `redis_cluster`, or `sentinels` and `masters`, in place of `servers`. */
import { expect, test } from "bun:test";
import { formatProblem } from "../../../src/config/problem.ts";
import { loadConfig } from "../../support/load-config.ts";

function load(...lines: readonly string[]) {
  const text = ["pools:", "  p:", "    listen: h:1", ...lines.map((line) => `    ${line}`), ""];
  const { config, problems } = loadConfig(text.join("\n"), "F");
  return { pool: config?.pools[0], problems: problems.map((each) => formatProblem(each, null)) };
}

test("nodes of a cluster stand in place of servers", () => {
  const { pool, problems } = load('redis_cluster: [10.0.0.1:7000, "[::1]:7001"]');
  expect(problems).toEqual([]);
  expect(pool?.servers.map(({ name }) => name)).toEqual(["10.0.0.1:7000", "[::1]:7001"]);
  expect([pool?.hash, pool?.hashTag, pool?.autoEjectHosts]).toEqual(["crc16_slot", "{}", false]);
});

test("what is wrong is told with its place", () => {
  expect(load("redis_cluster: [a:1]", "servers: [b:1:1]").problems).toEqual([
    'F:5:14: pool "p": redis_cluster stands in place of "servers": a pool has one of the two',
  ]);
  expect(load("redis_cluster: [a:1, b]").problems).toEqual([
    'F:4:26: pool "p": redis_cluster "b": expected host:port or /path',
  ]);
  expect(load("redis_cluster: [/run/a.sock]").problems[0]).toContain(
    "nodes of a cluster are host:port",
  );
  expect(load("redis_cluster: [a:1, a:1]").problems[0]).toContain("a:1 is here twice");
  expect(load("redis_cluster: []").problems[0]).toContain("found an empty list");
  expect(load("redis_cluster: a").problems[0]).toContain("expected a list of addresses");
  expect(load("redis_cluster: [a:1]", "hash: md5").problems[0]).toContain(
    "hash has no effect with",
  );
  expect(load("protocol: memcache", "redis_cluster: [a:1]").pool).toBeUndefined();
});

const SENTINELS = "sentinels: [s:1, s:2]";

test("masters stand in place of servers, in their order, with weights and names for the ring", () => {
  const { pool, problems } = load(SENTINELS, 'masters: [main, "b:3", "a:2 shard-1"]', "hash: md5");
  expect(problems).toEqual([]);
  expect(pool?.servers).toEqual([
    { name: "main", address: { kind: "tcp", host: "main", port: 0 }, weight: 1 },
    { name: "b", address: { kind: "tcp", host: "b", port: 0 }, weight: 3 },
    { name: "shard-1", address: { kind: "tcp", host: "a", port: 0 }, weight: 2 },
  ]);
  expect([pool?.hash, pool?.distribution]).toEqual(["md5", "ketama"]);
});

test("what is wrong with masters is told with its place", () => {
  expect(load(SENTINELS).problems[0]).toContain('sentinels needs "masters"');
  expect(load("masters: [a]", "servers: [b:1:1]").problems).toEqual([
    'F:4:14: pool "p": masters needs "sentinels"',
  ]);
  expect(load(SENTINELS, "masters: [a, a]").problems[0]).toContain("masters: a is here twice");
  expect(load(SENTINELS, 'masters: ["a b c"]').problems[0]).toContain(
    "expected name, name:weight or name:weight alias",
  );
  expect(load(SENTINELS, "masters: [a]", "redis_cluster: [b:1]").problems[0]).toContain(
    "a pool has one of the two",
  );
  expect(load(SENTINELS, "masters: [a]", "auto_eject_hosts: true").problems[0]).toContain(
    "they put another server in the place of one that is down",
  );
});
