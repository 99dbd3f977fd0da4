/** Slips that make a file unreadable as YAML: what is said names the slip, where it is, and never the library's grammar. */
import { describe, expect, test } from "bun:test";
import { formatProblem } from "../../../src/config/problem.ts";
import { loadConfig } from "../../support/load-config.ts";

function problemsOf(text: string): string[] {
  return loadConfig(text, "F").problems.map((problem) => formatProblem(problem, null));
}

const SERVERS = "  servers:\n   - h:1:1\n";
const TOGETHER = "what belongs together begins in the same column";
const DEEPER = `is deeper than that of the line above, which has a value already; ${TOGETHER}`;

test.each([
  [
    "no blank behind a colon",
    `a:\n  redis:true\n  listen: h:2\n${SERVERS}`,
    'F:2:3: a blank is missing behind "redis:"',
  ],
  [
    "the same in the last line",
    `a:\n  listen: h:2\n${SERVERS}  timeout:3\n`,
    'F:5:3: a blank is missing behind "timeout:"',
  ],
  [
    "the same in the only line",
    "a:\n  redis:true\n",
    'F:2:3: pool "a": expected a map of its options, found "redis:true"; a blank is missing behind "redis:"',
  ],
  [
    "no blank behind a dash",
    "a:\n  listen: h:2\n  servers:\n   -h:1:1\n   -h:2:1\n",
    'F:4:4: pool "a": servers: expected a list, each entry as host:port:weight name, found "-h:1:1 -h:2:1"; a blank is missing behind "-"',
  ],
  [
    "no colon",
    `a:\n  listen h:2\n${SERVERS}`,
    'F:2:3: a colon is missing behind "listen"; write "listen: …"',
  ],
  [
    "an option that is nested too deep",
    `a:\n  listen: h:2\n    redis: true\n${SERVERS}`,
    `F:3:5: the indentation of this line (4) ${DEEPER}`,
  ],
  [
    "an option below the last server",
    "a:\n  servers:\n   - h:1:1\n     timeout: 3\n",
    `F:4:6: the indentation of this line (5) ${DEEPER}`,
  ],
  [
    "an option as deep as the servers",
    "a:\n  servers:\n   - h:1:1\n   timeout: 3\n",
    `F:4:4: the indentation of this line (3) fits no line above it; ${TOGETHER}`,
  ],
  [
    "an option that is not deep enough",
    `a:\n  listen: h:2\n${SERVERS} timeout: 1\n`,
    `F:5:2: the indentation of this line (1) fits no line above it; ${TOGETHER}`,
  ],
  [
    "a server that is not deep enough",
    `a:\n${SERVERS}  - h:2:1\n`,
    `F:4:3: the indentation of this line (2) differs from that of the list's other entries; ${TOGETHER}`,
  ],
  [
    "a tab behind blanks",
    "a:\n  listen: h:2\n \ttimeout: 1\n",
    "F:3:2: a tab cannot indent YAML; use spaces",
  ],
  [
    "a key twice",
    `a:\n  listen: h:2\n  timeout: 1\n  timeout: 2\n${SERVERS}`,
    'F:4:3: pool "a": "timeout" is here twice; the first is in line 3',
  ],
  [
    "a quote without its end",
    `a:\n  listen: h:2\n  hash_tag: "{}\n${SERVERS}`,
    'F:3:13: the quote that begins here has no end; write " behind the value, too',
  ],
  [
    "a list without its end",
    "a:\n  servers: [h:1:1\n  timeout: 3\n",
    "F:2:12: the [ that begins here has no ]; if it is meant as text, put the value in quotes",
  ],
  ["a value with a colon", "a:\n  listen: h: 2\n", 'F:2:11: a value with ": " in it needs quotes'],
  [
    "a value with a special character",
    "a:\n  listen: @h\n",
    "F:2:11: a value that begins with @ needs quotes",
  ],
])("%s", (_name, text, expected) => {
  expect(problemsOf(text)).toEqual([expected]);
});

test("a password is not repeated", () => {
  const text = `a:\n  redis_auth:secret\n  listen: h:2\n${SERVERS}`;
  const [problem] = loadConfig(text, "F").problems;
  expect(formatProblem(problem!, text)).toBe('F:2:3: a blank is missing behind "redis_auth:"');
});

describe("one slip in a good file", () => {
  const good = [
    "# two pools",
    "workers: 2",
    "pools:",
    "  alpha:",
    "    listen: 127.0.0.1:22121",
    '    hash_tag: "{}"',
    "    timeout: 400",
    "    servers:",
    "      - 127.0.0.1:6379:1 one",
    "      - 127.0.0.1:6380:1 two",
    "  beta:",
    "    listen: 127.0.0.1:22122",
    "    protocol: memcache",
    "    servers: [127.0.0.1:11211:1]",
    "",
  ];
  const slips: readonly (readonly [string, (line: string) => string])[] = [
    ["a blank that is missing", (line) => line.replace(/([:-]) /, "$1")],
    ["a colon that is missing", (line) => line.replace(":", "")],
    ["one blank too many", (line) => ` ${line}`],
    ["two blanks too many", (line) => `  ${line}`],
    ["one blank too few", (line) => line.replace(/^ /, "")],
    ["two blanks too few", (line) => line.replace(/^ {2}/, "")],
    ["a tab", (line) => line.replace(/^ +/, "\t")],
    ["a quote too many", (line) => line.replace(": ", ': "')],
    ["a quote that is missing", (line) => line.replace('"', "")],
    ["a bracket that is missing", (line) => line.replace(/[\][]/, "")],
  ];

  test("is good without", () => expect(problemsOf(good.join("\n"))).toEqual([]));

  test.each(slips)("%s is told in plain words", (_name, slip) => {
    for (const [index, line] of good.entries()) {
      if (line === "" || line.startsWith("#")) continue;
      const changed = good.with(index, slip(line)).join("\n");
      const { problems } = loadConfig(changed, "F");
      const said = `${changed}\n${problems.map((problem) => formatProblem(problem, changed)).join("\n")}`;
      if (problems.some(({ message }) => message.startsWith("YAML:"))) throw new Error(said);
    }
  });
});
