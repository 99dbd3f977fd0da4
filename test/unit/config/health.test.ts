/** What a pool says of servers that are down. */
import { expect, test } from "bun:test";
import { loadConfig } from "../../support/load-config.ts";

function load(...lines: string[]) {
  const pool = ["listen: h:1", "servers: [h:2:1 a, h:3:1 b]", ...lines];
  const { config, problems } = loadConfig(
    `pools:\n  p:\n${pool.map((line) => `    ${line}\n`).join("")}`,
    "F",
  );
  return { pool: config?.pools[0], problems: problems.map(({ message }) => message) };
}

test("auto_eject_hosts is on_down: rehash, and on_down alone is enough", () => {
  expect(load().pool).toMatchObject({ onDown: "fail", autoEjectHosts: false });
  for (const line of ["auto_eject_hosts: true", "on_down: rehash"]) {
    expect(load(line).pool).toMatchObject({ onDown: "rehash", autoEjectHosts: true });
  }
  expect(load("auto_eject_hosts: true", "on_down: fail").problems).toEqual([
    'pool "p": "on_down: fail" contradicts "auto_eject_hosts: true"',
  ]);
});

test("spares are servers of their own", () => {
  const { pool, problems } = load("on_down: spare", "spares: [h:4:1 z, h:5:2 y]");
  expect(problems).toEqual([]);
  expect(pool!.spares!.map(({ name, weight }) => [name, weight])).toEqual([
    ["y", 2],
    ["z", 1],
  ]);
  expect(load("on_down: spare").problems).toEqual([
    'pool "p": "on_down: spare" needs "spares": servers that stand in for those that are down',
  ]);
  expect(load("spares: [h:4:1 z]").problems).toEqual([
    'pool "p": spares stand in for servers with "on_down: spare" only',
  ]);
  expect(load("on_down: spare", "spares: [h:4:1 a]").problems).toEqual([
    'pool "p": "a" is one of the servers, and no spare',
  ]);
  expect(load("on_down: spare", "spares: []").problems[0]).toContain("spares: expected a list");
});

test("a cluster's keys stay where the cluster has them", () => {
  const { config, problems } = loadConfig(
    'pools:\n  p:\n    listen: h:1\n    redis_cluster: ["10.0.0.1:7000"]\n    on_down: rehash\n',
    "F",
  );
  expect(problems.map(({ message }) => message)).toEqual([
    'pool "p": on_down has no effect with redis_cluster: the cluster decides where keys are',
  ]);
  expect(config!.pools[0]).toMatchObject({ onDown: "fail", autoEjectHosts: false });
});

test("a pool of plain bytes is checked, and has no keys that could go elsewhere", () => {
  const { pool, problems } = load("protocol: tcp", "health_check: 5s");
  expect(problems).toEqual([]);
  expect(pool).toMatchObject({ healthCheckMs: 5000, onDown: "fail" });
});
