/** Options that belong to one protocol, also to one that is not built in. */
import { expect, test } from "bun:test";
import { option } from "../../../src/api/option.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { PROTOCOLS } from "../../../src/protocols/registry.ts";
import { describeChanges } from "../../../src/supervisor/change/describe-changes.ts";

/** It names an option as the Redis protocol does, with another meaning. */
const QUEUE = {
  name: "queue",
  options: [
    option({ name: "tubes", where: "pool", type: { kind: "texts" }, help: "Tubes to use." }),
    option({ name: "token", where: "pool", type: { kind: "text" }, help: "Token.", secret: true }),
    option({
      ...{ name: "redis_db", where: "pool", help: "Another meaning." },
      ...{ type: { kind: "choice", values: ["a", "b"] }, default: "a" },
    }),
  ],
};

function load(lines: readonly string[]) {
  const pool = ["listen: h:1", ...lines, "servers: ['h:2:1']"];
  const text = `pools:\n  p:\n${pool.map((line) => `    ${line}\n`).join("")}`;
  const { config, problems } = loadConfig(text, "F", [...PROTOCOLS, QUEUE]);
  return { config, problems: problems.map((problem) => formatProblem(problem, null)) };
}

test("a protocol's own options are checked and handed to it as plain data", () => {
  const { config, problems } = load([
    "protocol: queue",
    "tubes: [x, y]",
    "token: t",
    "redis_db: b",
  ]);
  expect(problems).toEqual([]);
  expect(config?.pools[0]).toMatchObject({
    protocol: "queue",
    options: {
      tubes: { value: ["x", "y"], text: "[x, y]", isSet: true },
      token: { value: "t", text: null, isSet: true },
      redis_db: { value: "b", text: "b", isSet: true },
    },
  });
});

test("what is wrong with them has a line and a column", () => {
  expect(load(["protocol: queue", "tubes: x", "redis_db: 3"]).problems).toEqual([
    'F:5:12: pool "p": tubes: expected a list of texts such as [a, b], found "x"',
    'F:6:15: pool "p": redis_db: unknown value "3"; did you mean "a"?',
  ]);
  // A Redis pool's option of the same name keeps its meaning.
  expect(load(["redis_db: b"]).problems).toEqual([
    'F:4:15: pool "p": redis_db: expected a whole number from 0 to 2147483647, found "b"',
  ]);
  expect(load(["protocol: quue"]).problems).toEqual([
    'F:4:15: pool "p": protocol: unknown value "quue"; did you mean "queue"?',
  ]);
});

test("options of another protocol have no effect; secrets of another are an error", () => {
  expect(load(["tubes: [x]", "dead_server: miss"]).problems).toEqual([
    'F:4:12: warning: pool "p": tubes has no effect without "protocol: queue"',
    'F:5:18: warning: pool "p": dead_server has no effect without "protocol: memcache"',
  ]);
  expect(load(["token: t"]).problems).toEqual(['F:4:12: pool "p": token needs "protocol: queue"']);
});

test("options of all pools that mean nothing to a protocol have no effect with it", () => {
  const { config, problems } = load([
    ...["protocol: tcp", "hash: md5", "auto_eject_hosts: true", "preconnect: true"],
    ...["redis_auth: secret", "balance: source", "connect_timeout: 2s"],
  ]);
  expect([config, problems]).toEqual([
    null,
    [
      'F:5:11: warning: pool "p": hash has no effect with "protocol: tcp"',
      'F:6:23: warning: pool "p": auto_eject_hosts has no effect with "protocol: tcp"',
      'F:7:17: warning: pool "p": preconnect has no effect with "protocol: tcp"',
      'F:8:17: pool "p": redis_auth needs "protocol: redis"',
    ],
  ]);
  const right = load(["protocol: tcp", "auto_eject_hosts: true", "preconnect: true"]);
  expect(right.config?.pools[0]).toMatchObject({ autoEjectHosts: false, preconnect: false });
  expect(load(["balance: source"]).problems).toEqual([
    'F:4:14: warning: pool "p": balance has no effect without "protocol: tcp"',
  ]);
});

test("a reload says what changes in them, without secrets", () => {
  const from = load(["protocol: queue", "tubes: [x]", "token: old"]).config!;
  const to = load(["protocol: queue", "tubes: [x, y]", "token: new"]).config!;
  expect(describeChanges(from, to)).toEqual([
    'pool "p": tubes: [x] → [x, y]',
    'pool "p": token changes',
  ]);
});
