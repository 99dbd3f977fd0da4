/** The tree of `route:`: what it may be, and what is said of what it may not, with its place. */
import { expect, test } from "bun:test";
import { poolsOf } from "../../../src/api/route-node.ts";
import { routeLines, routeText } from "../../../src/config/route-text.ts";
import { loadConfig } from "../../support/load-config.ts";

const LEAVES = `
  one: { listen: h:2, servers: [h:3:1] }
  two: { listen: h:4, servers: [h:5:1] }
  cache: { listen: h:6, protocol: memcache, servers: [h:7:1] }
`;

/** @param lines of the pool `app` */
function load(...lines: string[]): ReturnType<typeof loadConfig> {
  const app = ["  app:", "    listen: h:1", ...lines.map((line) => `    ${line}`)];
  return loadConfig(`pools:${LEAVES}${app.join("\n")}\n`, "F");
}

/** What the pool says begins in line 7. */
function problemsOf(...lines: string[]): string[] {
  return load(...lines).problems.map(
    ({ line, column, message }) =>
      `${line}:${column} ${message.replace('pool "app": route: ', "")}`,
  );
}

const KINDS = "prefixes, read, write, commands, failover, gutter, mirror, hedge, all, cut";

const TREE = [
  "route:",
  "  prefixes:",
  '    "session:": one',
  '    "user:":',
  "      read: two",
  "      write: one",
  "  default:",
  "    commands:",
  "      SORT, zrange: two",
  "      config get: two",
  "    default: one",
];

test("a tree of all kinds of nodes", () => {
  const { config, problems } = load(...TREE);
  expect(problems).toEqual([]);
  const pool = config!.pools.find(({ name }) => name === "app")!;
  expect(pool.servers).toEqual([]);
  expect(pool.route).toEqual({
    kind: "prefix",
    prefixes: [
      { prefix: "session:", to: { kind: "pool", pool: "one" } },
      {
        prefix: "user:",
        to: {
          kind: "access",
          read: { kind: "pool", pool: "two" },
          write: { kind: "pool", pool: "one" },
        },
      },
    ],
    rest: {
      kind: "command",
      commands: [
        { names: ["SORT", "ZRANGE"], to: { kind: "pool", pool: "two" } },
        { names: ["CONFIG|GET"], to: { kind: "pool", pool: "two" } },
      ],
      rest: { kind: "pool", pool: "one" },
    },
  });
  expect(poolsOf(pool.route!)).toEqual(["one", "two"]);
  expect(routeLines(pool.route!)).toEqual([
    'prefix "session:": pool one',
    'prefix "user:":',
    "  read: pool two",
    "  write: pool one",
    "default:",
    "  command SORT, ZRANGE: pool two",
    "  command CONFIG|GET: pool two",
    "  default: pool one",
  ]);
  expect(routeText(pool.route)).toStartWith('(prefix "session:": pool one; prefix "user:": (read');
});

test("nodes that act", () => {
  const { config, problems } = load(
    "route:",
    "  main: { main: one, failover: two, on: misses }",
    "  mirror: two",
    "  share: 12.5%",
    "  compare: true",
  );
  expect(problems).toEqual([]);
  const { route } = config!.pools.find(({ name }) => name === "app")!;
  const [one, two] = ["one", "two"].map((pool) => ({ kind: "pool", pool }));
  expect(route as unknown).toEqual({
    kind: "mirror",
    main: { kind: "failover", main: one, other: two, onMisses: true, ttlMs: null },
    other: two,
    share: 0.125,
    compares: true,
  });
  expect(routeLines(route!)).toEqual([
    "main:",
    "  main: pool one",
    "  failover, on misses, too: pool two",
    "mirror of 12.5% of keys, compared: pool two",
  ]);
  const wrong = problemsOf(
    "route:",
    "  main: { main: one, failover: two, on: all }",
    "  mirror: two",
    "  share: 0%",
    "  compare: [yes]",
    "  failover: one",
  );
  expect(wrong).toEqual([
    '8:45 on: expected errors or misses, found "all"',
    '9:7 "mirror" has no place beside "main", "failover"',
    '10:7 "share" has no place beside "main", "failover"',
    '11:7 "compare" has no place beside "main", "failover"',
  ]);
  expect(problemsOf("route: { main: one, mirror: two, share: 0%, compare: [yes] }")).toEqual([
    '7:45 share: expected a share of keys such as 10%, found "0%"',
    "7:58 compare: expected a text, found a list",
  ]);
});

test("a gutter has a time", () => {
  const { config, problems } = load("route: { main: one, gutter: two, ttl: 10s }");
  expect(problems).toEqual([]);
  const { route } = config!.pools.find(({ name }) => name === "app")!;
  expect(routeLines(route!)).toEqual(["main: pool one", "gutter, for 10s at most: pool two"]);
  expect(problemsOf("route: { main: one, gutter: two }")).toEqual([
    '7:12 "ttl" is missing beside "gutter"',
  ]);
  expect(problemsOf("route: { main: one, gutter: two, ttl: 1500ms }")).toEqual([
    '7:43 ttl: expected whole seconds from 1s to 30 days, such as 10s, found "1500ms"',
  ]);
});

test("no more than the name of a pool", () => {
  const { config, problems } = load("route: one");
  expect(problems).toEqual([]);
  const pool = config!.pools.find(({ name }) => name === "app")!;
  expect([pool.route, routeText(pool.route)]).toEqual([{ kind: "pool", pool: "one" }, "pool one"]);
});

test("all that is wrong in a tree is said at once, where it is", () => {
  const found = problemsOf(
    "route:",
    "  prefixes:",
    '    "a:": onee',
    '    "b:": { read: one }',
    '    "c:": { write: one, read: two, prefixes: { x: one } }',
    '    "d:": [one]',
    '    "e:": {}',
    '    "f:": { reed: one, write: two }',
    '    "a:": two',
    '    "": two',
    '    "g:": cache',
    "  default:",
    '    commands: { "GET;": one, "set": two, SET: one }',
  );
  expect(found).toEqual([
    '9:15 no pool is named "onee"; did you mean "one"?',
    '10:15 "write" is missing beside "read"',
    '11:15 "default" is missing beside "prefixes"',
    '11:17 "write" has no place beside "prefixes"',
    '11:29 "read" has no place beside "prefixes"',
    `12:15 expected the name of a pool, or a map with one of ${KINDS}, found a list`,
    `13:15 says nothing of where requests go: expected one of ${KINDS}`,
    '14:15 "read" is missing beside "write"',
    '14:17 unknown key "reed"; did you mean "read"?',
    '15:9 "a:" is here twice; the first is in line 9',
    '16:9 prefixes: an empty one stands for all: write "default"',
    '17:15 pool "cache" speaks memcache, and this one redis',
    '19:9 "default" is missing beside "commands"',
    '19:21 expected names of commands such as "GET, MGET", found "GET;"',
    "19:46 the command SET is here twice",
  ]);
});

test("what a pool with a route cannot have, or has in vain", () => {
  expect(problemsOf("servers: [h:9:1]", "route: one")).toEqual([
    '7:14 pool "app": route stands in place of "servers": a pool has one of the two',
  ]);
  expect(problemsOf('redis_cluster: ["h:9"]', "route: one").join()).toContain(
    'route stands in place of "redis_cluster"',
  );
  expect(problemsOf("timeout: 1s", "route: one")).toEqual([
    '7:14 pool "app": timeout has no effect with route: that of the pools it leads to counts',
  ]);
  expect(problemsOf("protocol: tcp", "route: one").join()).toContain(
    "requests of the protocol tcp cannot be routed",
  );
});

test("a route leads to pools with servers, and so never in a circle", () => {
  expect(problemsOf("route: app")).toEqual([
    '7:12 pool "app" has a route itself: name a pool with servers',
  ]);
});

test("reads that are hedged, and pools that are all written", () => {
  const one = { kind: "pool", pool: "one" } as const;
  const two = { kind: "pool", pool: "two" } as const;
  const nodeOf = (line: string): unknown =>
    load(line).config!.pools.find(({ name }) => name === "app")!.route;
  expect(nodeOf("route: { main: one, hedge: two, after: 20ms, budget: 2.5% }")).toEqual({
    ...{ kind: "hedge", main: one, other: two, afterMs: 20, budget: 0.025 },
  });
  expect(nodeOf("route: { all: [one, two, one], reply: first }")).toEqual({
    ...{ kind: "all", waits: false, other: one },
    main: { kind: "all", waits: false, main: one, other: two },
  });
  expect(nodeOf("route: { all: [one, two] }")).toMatchObject({ kind: "all", waits: true });
});

test("what is wrong in them has its place", () => {
  expect(
    problemsOf("route:", "  main: one", "  hedge: two", "  after: 2h", "  budget: 0%"),
  ).toEqual([
    '10:14 after: expected a time from 1ms to 60s, such as 20ms, found "2h"',
    '11:15 budget: expected a share of reads such as 5%, found "0%"',
  ]);
  expect(problemsOf("route: { main: one, hedge: two, after: 1ms, budget: 101% }")).toEqual([
    '7:57 budget: expected a share of reads such as 5%, found "101%"',
  ]);
  expect(problemsOf("route: { main: one, hedge: two }")).toEqual([
    '7:12 "after" is missing beside "hedge"',
  ]);
  expect(problemsOf("route: { all: [one] }")).toEqual([
    "7:14 all: expected a list of two nodes or more, found 1",
  ]);
  expect(problemsOf("route: { all: [one, three], reply: best }")).toHaveLength(2);
});

test("a prefix is cut right below it, and of Redis keys only", () => {
  const { config, problems } = load(
    "route:",
    '  prefixes: { "s:": { cut: one } }',
    "  default: two",
  );
  expect(problems).toEqual([]);
  const { route } = config!.pools.find(({ name }) => name === "app")!;
  expect(routeText(route)).toBe('(prefix "s:": (without it: pool one); default: pool two)');
  expect(poolsOf(route!)).toEqual(["one", "two"]);
  expect(problemsOf("route: { read: { cut: one }, write: two }")).toEqual([
    expect.stringContaining("cut: a prefix is cut right where it decides"),
  ]);
  expect(
    problemsOf(
      "protocol: memcache",
      'route: { prefixes: { "s:": { cut: cache } }, default: cache }',
    ),
  ).toEqual([expect.stringContaining("keys of the protocol memcache cannot be cut")]);
});
