import { expect, test } from "bun:test";
import { formatProblem } from "../../../src/config/problem.ts";
import { loadConfig } from "../../support/load-config.ts";

/** [file, what is said about it]; `F:` stands for the file's name. */
type Case = readonly [name: string, text: string, problems: readonly string[]];

const SERVERS = "  servers:\n  - h:1:1\n";

function twemproxy(line: string): string {
  return `alpha:\n  listen: h:2\n${line}${SERVERS}`;
}

const CASES: readonly Case[] = [
  ["empty", "", ["F:1:1: the file has no pools"]],
  ["only a comment", "# nothing\n", ["F:1:1: the file has no pools"]],
  ["empty map", "{}", ["F:1:1: the file has no pools"]],
  ["a list", "- a\n", ["F:1:1: expected a map of options or pools, found a list"]],
  ["no pools in pools", "pools: {}", ["F:1:8: pools: the file has no pools"]],
  ["pools without a map", "pools:\n", ["F:1:7: pools: expected a map of pools, found nothing"]],
  [
    "a pool without a map",
    "alpha: 3\n",
    ['F:1:8: pool "alpha": expected a map of its options, found "3"'],
  ],
  [
    "misspelt key",
    twemproxy("  tiemout: 400\n"),
    ['F:3:3: pool "alpha": unknown key "tiemout"; did you mean "timeout"?'],
  ],
  [
    "misspelt value",
    twemproxy("  hash: fnv1a-64\n"),
    ['F:3:9: pool "alpha": hash: unknown value "fnv1a-64"; did you mean "fnv1a_64"?'],
  ],
  [
    "upper case",
    twemproxy("  hash: MD5\n"),
    ['F:3:9: pool "alpha": hash: unknown value "MD5"; did you mean "md5"?'],
  ],
  [
    "a value like no other",
    twemproxy("  distribution: everywhere\n"),
    [
      'F:3:17: pool "alpha": distribution: unknown value "everywhere"; expected one of ketama, modula, random',
    ],
  ],
  [
    "booleans of YAML 1.1",
    twemproxy("  redis: yes\n  preconnect: Off\n  tcpkeepalive: True\n  auto_eject_hosts: 1\n"),
    [
      'F:3:10: pool "alpha": redis: expected true or false, found "yes"; write true',
      'F:4:15: pool "alpha": preconnect: expected true or false, found "Off"; write false',
      'F:5:17: pool "alpha": tcpkeepalive: expected true or false, found "True"; write true',
      'F:6:21: pool "alpha": auto_eject_hosts: expected true or false, found "1"',
    ],
  ],
  [
    "numbers that are none",
    twemproxy("  backlog: 1e3\n  redis_db: 0x10\n  timeout: -1\n  server_connections: 0\n"),
    [
      'F:3:12: pool "alpha": backlog: expected a whole number from 0 to 2147483647, found "1e3"',
      'F:4:13: pool "alpha": redis_db: expected a whole number from 0 to 2147483647, found "0x10"',
      'F:5:12: pool "alpha": timeout: expected milliseconds, or a duration such as 400ms or 2s, or none, found "-1"; for no limit leave it out or write none',
      'F:6:23: pool "alpha": server_connections: expected a whole number from 1 to 65535, found "0"',
    ],
  ],
  [
    "unquoted braces",
    twemproxy("  hash_tag: {}\n"),
    [
      'F:3:13: pool "alpha": hash_tag: expected exactly two ASCII characters in quotes, found a map; braces need quotes: hash_tag: "{}"',
    ],
  ],
  [
    "a value is missing",
    twemproxy("  timeout:\n"),
    [
      'F:3:11: pool "alpha": timeout: expected milliseconds, or a duration such as 400ms or 2s, or none, found nothing',
    ],
  ],
  [
    "a key twice, a pool twice",
    `alpha:\n  listen: h:2\n  listen: h:3\n${SERVERS}alpha:\n  listen: h:4\n${SERVERS}`,
    [
      'F:3:3: pool "alpha": "listen" is here twice; the first is in line 2',
      'F:6:1: "alpha" is here twice; the first is in line 1',
    ],
  ],
  [
    "required keys",
    "alpha:\n  redis: true\n",
    [
      'F:1:1: pool "alpha": "listen" is missing; expected host:port or /path',
      'F:1:1: pool "alpha": "servers" is missing; expected a list of servers, each as host:port:weight name',
    ],
  ],
  [
    "listen",
    `a:\n  listen: localhost\n${SERVERS}b:\n  listen: h:0\n${SERVERS}c:\n  listen: /s 899\n${SERVERS}d:\n  listen: /s 1777\n${SERVERS}e:\n  listen: :5\n${SERVERS}`,
    [
      'F:2:11: pool "a": listen: expected host:port or /path (found "localhost")',
      'F:6:11: pool "b": listen: the port must be from 1 to 65535, not "0" (found "h:0")',
      'F:10:11: pool "c": listen: the socket\'s permissions must be octal, at most 0777, as in /run/proxy.sock 0660 (found "/s 899")',
      'F:14:11: pool "d": listen: the socket\'s permissions must be octal, at most 0777, as in /run/proxy.sock 0660 (found "/s 1777")',
      'F:18:11: pool "e": listen: the host before :5 is missing (write * for all) (found ":5")',
    ],
  ],
  [
    "two pools on one address",
    `a:\n  listen: h:2\n${SERVERS}b:\n  listen: h:2\n${SERVERS}`,
    ['F:6:11: pool "b": pool "a" already listens on h:2'],
  ],
  [
    "servers",
    "a:\n  listen: h:2\n  servers:\n   - h:1\n   - h:1:0\n   - h:70000:1\n   - h:1:x n\n   - h:1:1 a b\n   - /s\n   - h: 1\n   - h:3:1 n\n   - h:4:1 n\n   -\n",
    [
      'F:4:6: pool "a": server "h:1": expected host:port:weight or host:port:weight name (is the weight missing? write h:1:1)',
      'F:5:6: pool "a": server "h:1:0": the weight must be a whole number from 1 to 2147483647, not "0"',
      'F:6:6: pool "a": server "h:70000:1": the port must be from 1 to 65535, not "70000"',
      'F:7:6: pool "a": server "h:1:x n": the weight must be a whole number from 1 to 2147483647, not "x"',
      'F:8:6: pool "a": server "h:1:1 a b": expected host:port:weight or host:port:weight name',
      'F:9:6: pool "a": server "/s": expected /path:weight or /path:weight name',
      'F:10:6: pool "a": servers: expected host:port:weight name, found a map (a space behind a colon makes a map of it)',
      'F:12:6: pool "a": two servers have the name "n"; the first is in line 11',
      'F:13:5: pool "a": servers: expected host:port:weight name, found nothing',
    ],
  ],
  [
    "servers is no list",
    "a:\n  listen: h:2\n  servers: h:1:1\nb:\n  listen: h:3\n  servers: []\n",
    [
      'F:3:12: pool "a": servers: expected a list, each entry as host:port:weight name, found "h:1:1"',
      'F:6:12: pool "b": servers: expected a list, each entry as host:port:weight name, found an empty list',
    ],
  ],
  [
    "a password for memcached",
    twemproxy("  redis_auth: secret\n"),
    ['F:3:15: pool "alpha": redis_auth needs "redis: true"'],
  ],
  [
    "a pool that is its own server",
    "a:\n  listen: h:1\n  servers:\n   - h:1:1\n",
    ['F:4:4: pool "a": one of its servers is its own listen address h:1'],
  ],
  [
    "modula keeps a slot per weight",
    twemproxy("  distribution: modula\n").replace("h:1:1", "h:1:4194305"),
    ['F:5:3: pool "alpha": the weights add up to 4194305; with modula at most 4194304'],
  ],
  [
    "keys of the other form",
    twemproxy("  protocol: redis\n"),
    [
      'F:3:3: pool "alpha": "protocol" has no place in a twemproxy file; write "redis: true" (or false for memcache)',
    ],
  ],
  [
    "keys of the other form, native",
    "pools:\n  a:\n    listen: h:2\n    redis: true\n    reuseport: true\n    servers: [h:1:1]\n",
    [
      'F:4:5: pool "a": "redis" has no place in a native file; write "protocol: redis" or "protocol: memcache"',
      'F:5:5: pool "a": "reuseport" has no place in a native file; write "accept: reuseport" at the top level',
    ],
  ],
  [
    "everything at once, native",
    "wrokers: 4\nlog: {level: loud}\nstats: {listen: '*:2'}\npools:\n  a:\n    listen: 0.0.0.0:2\n    servers:\n     - {address: h, weight: 0, nme: x}\n     - {weight: 1}\n     - {address: h:1, name: a b}\n",
    [
      'F:1:1: unknown key "wrokers"; did you mean "workers"?',
      'F:2:14: log: level: unknown value "loud"; expected one of error, warn, info, debug',
      'F:3:17: stats: pool "a" already listens on 0.0.0.0:2',
      'F:8:18: pool "a": server 1: address: expected host:port or /path (found "h")',
      'F:8:29: pool "a": server 1: weight: expected a whole number from 1 to 2147483647, found "0"',
      'F:8:32: pool "a": server 1: unknown key "nme"; did you mean "name"?',
      'F:9:8: pool "a": server 2: "address" is missing; expected host:port or /path',
      'F:10:29: pool "a": server 3: a name cannot hold a space, found "a b"',
    ],
  ],
  [
    "pools are missing from a native file",
    `workers: 4\nalpha:\n  listen: h:2\n${SERVERS}`,
    [
      'F:1:1: "pools" is missing; expected a map of pools: a name, and under it the pool\'s options',
      'F:2:1: pool "alpha" must stand under "pools:"',
    ],
  ],
  [
    "misspelt pools",
    "pool:\n  a:\n    listen: h:2\n    servers: [h:1:1]\n",
    [
      'F:1:1: unknown key "pool"; did you mean "pools"?',
      'F:1:1: "pools" is missing; expected a map of pools: a name, and under it the pool\'s options',
    ],
  ],
  [
    "a merged value",
    "x-defaults: &d\n  timeout: x\na: {<<: *d, listen: h:2, servers: [h:1:1]}\nb: {<<: *d, listen: h:3, servers: [h:1:1]}\n",
    [
      'F:2:12: pool "a": timeout: expected milliseconds, or a duration such as 400ms or 2s, or none, found "x" (merged in line 3)',
    ],
  ],
  [
    "a merged key",
    "x-defaults: &d\n  tiemout: 3\na: {<<: *d, listen: h:2, servers: [h:1:1]}\n",
    ['F:2:3: pool "a": unknown key "tiemout"; did you mean "timeout"?'],
  ],
  [
    "merges of what is no map",
    "a: {<<: 3, listen: h:2, servers: [h:1:1]}\nb: {<<: [{}, []], listen: h:3, servers: [h:1:1]}\n",
    [
      'F:1:9: <<: expected a map to merge, or a list of maps, as in <<: *defaults; found "3"',
      "F:2:14: <<: expected a map to merge, or a list of maps, as in <<: *defaults; found a list",
    ],
  ],
  [
    "two merge keys",
    "a:\n  <<: {timeout: 1}\n  <<: {backlog: 1}\n  listen: h:2\n  servers: [h:1:1]\n",
    ['F:3:3: "<<" is here twice; the first is in line 2: write <<: [*one, *other]'],
  ],
  ["an alias within its anchor", "a: &a [*a]\n", ["F:1:8: alias *a is within what it stands for"]],
  [
    "a merge within its anchor",
    "a: &a\n  b: {<<: *a}\n",
    ["F:2:11: alias *a is within what it stands for"],
  ],
  [
    "an anchor that nothing refers to makes no pool without listen anything else",
    "a: &a {servers: [h:1:1]}\n",
    ['F:1:1: pool "a": "listen" is missing; expected host:port or /path'],
  ],
  [
    "merges that explode",
    `x: &a {${Array.from({ length: 700 }, (_, i) => `k${i}: 1`).join(", ")}}\ny:\n  - {<<: [${"*a,".repeat(900)}*a]}\n`,
    ["F:3:2147: the file is too large once aliases and merges are followed"],
  ],
  [
    "options that are not indented",
    "alpha:\nlisten: h:2\nhash: md5\ntimeout: x\nservers: [h:1:1]\n",
    [
      'F:2:1: options of a pool must be indented under "alpha" in line 1: "listen", "hash", "timeout", "servers"',
      'F:4:10: pool "alpha": timeout: expected milliseconds, or a duration such as 400ms or 2s, or none, found "x"',
    ],
  ],
  [
    "options of several pools that are not indented",
    "alpha:\n  redis: true\nlisten: h:2\nservers: [h:1:1]\nbeta:\nlisten: h:3\nservers: [h:1:1]\n",
    ['F:3:1: options of a pool must be indented under "alpha" in line 1: "listen", "servers"'],
  ],
  [
    "options without a pool",
    "listen: h:2\nredis: true\nservers: [h:1:1]\n",
    [
      'F:1:1: options of a pool must be indented under a line with its name: "listen", "redis", "servers"',
    ],
  ],
  [
    "options without a pool in a native file",
    "workers: 2\nlisten: h:2\nservers: [h:1:1]\n",
    ['F:2:1: options of a pool must be indented under a line with its name: "listen", "servers"'],
  ],
  [
    "options that are not indented in pools",
    "pools:\n  alpha:\n  listen: h:2\n  servers: [h:1:1]\n",
    ['F:3:3: options of a pool must be indented under "alpha" in line 2: "listen", "servers"'],
  ],
  [
    "options and pools that are not indented",
    "pools:\nlisten: h:2\nservers: [h:1:1]\n",
    ['F:2:1: options of a pool must be indented under a line with its name: "listen", "servers"'],
  ],
  [
    "YAML: star",
    "a:\n  listen: *:2\n",
    ["F:2:11: alias *:2 has no anchor before it; a value that begins with * needs quotes"],
  ],
  [
    "YAML: bracket",
    "a:\n  servers:\n  - [::1]:6379:1\n",
    [
      "F:3:10: the value ends before this; put all of it in quotes; a value that begins with [ needs quotes",
    ],
  ],
  ["YAML: tab", "a:\n\tlisten: h:2\n", ["F:2:1: a tab cannot indent YAML; use spaces"]],
  [
    "YAML: two documents",
    "a: 1\n---\nb: 2\n",
    ["F:2:1: the file must hold one YAML document, not several"],
  ],
  [
    "YAML: aliases that explode",
    `a: &a [${"x,".repeat(99)}x]\nb: &b [${"*a,".repeat(99)}*a]\nc: &c [${"*b,".repeat(99)}*b]\n`,
    ["F:3:152: the file is too large once aliases and merges are followed"],
  ],
  [
    "a pool's name",
    `"a\\"b":\n  listen: h:2\n${SERVERS}`,
    [
      'F:1:1: a pool\'s name cannot be empty or hold quotes, backslashes or control characters, found "a\\"b"',
    ],
  ],
];

for (const [name, text, expected] of CASES) {
  test(name, () => {
    const { config, problems } = loadConfig(text, "F");
    expect(problems.map((problem) => formatProblem(problem, null))).toEqual([...expected]);
    expect(config).toBeNull();
  });
}

const WARNINGS: readonly Case[] = [
  [
    "client_connections, ignored by nutcracker",
    twemproxy("  client_connections: 9\n"),
    ['F:3:23: warning: pool "alpha": client_connections takes effect here; nutcracker ignores it'],
  ],
  [
    "redis_db without Redis",
    twemproxy("  redis_db: 9\n"),
    ['F:3:13: warning: pool "alpha": redis_db has no effect without "redis: true"'],
  ],
  [
    "dead_server with Redis",
    twemproxy("  redis: true\n  dead_server: miss\n"),
    ['F:4:16: warning: pool "alpha": dead_server has no effect without "redis: false"'],
  ],
  [
    "pools that disagree about reuseport",
    `${twemproxy("  reuseport: true\n")}beta:\n  listen: h:3\n  reuseport: false\n${SERVERS}`,
    [
      'F:3:14: warning: pool "alpha": reuseport holds for all pools; another says false, so all share',
    ],
  ],
];

for (const [name, text, expected] of WARNINGS) {
  test(`warning: ${name}`, () => {
    const { config, problems } = loadConfig(text, "F");
    expect(problems.map((problem) => formatProblem(problem, null))).toEqual([...expected]);
    expect(config).not.toBeNull();
  });
}

test("problems name the option's path", () => {
  const text = "pools:\n  a:\n    listen: x\n    servers: [h:1:1, {weight: x}]\n";
  expect(loadConfig(text, "F").problems.map((problem) => problem.path)).toEqual([
    "pools.a.listen",
    "pools.a.servers[1].address",
    "pools.a.servers[1].weight",
  ]);
});

test("the source line has a caret under the column, and a password's line is not shown", () => {
  const text = "a:\n  listen: h\n  redis_auth: [geheim]\n  servers:\n  - h:1:1\n";
  const shown = loadConfig(text, "F").problems.map((problem) => formatProblem(problem, text));
  expect(shown[0]).toBe(
    'F:2:11: pool "a": listen: expected host:port or /path (found "h")\n    2 |   listen: h\n      |           ^',
  );
  expect(shown.join("\n")).not.toContain("geheim");
});

test("a password is not shown, wherever an alias has it from", () => {
  const text =
    'x-secret: &p "hush\\x01"\na: {redis_auth: *p, redis: true, listen: h:2, servers: [h:1:1]}\n';
  const shown = loadConfig(text, "F").problems.map((problem) => formatProblem(problem, text));
  expect(shown).toEqual(['F:1:14: pool "a": redis_auth: control characters are not allowed']);
});
