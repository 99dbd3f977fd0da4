/** `migrate: true`, and with what it cannot be had. */
import { describe, expect, test } from "bun:test";
import { formatProblem } from "../../../src/config/problem.ts";
import { loadConfig } from "../../support/load-config.ts";

function problemsOf(...lines: readonly string[]): string[] {
  const text = [
    "pools:",
    "  main:",
    "    listen: 127.0.0.1:1",
    "    migrate: true",
    ...lines.map((line) => `    ${line}`),
    "",
  ].join("\n");
  return loadConfig(text, "F").problems.map((each) => formatProblem(each, null));
}

const SERVERS = 'servers: ["127.0.0.1:2:1 a"]';

describe("migrate: true", () => {
  test("is good for a Redis pool that lists its servers", () => {
    expect(problemsOf(SERVERS)).toEqual([]);
  });

  test.each([
    ["protocol: tcp", "keys of the protocol tcp cannot be moved"],
    ["distribution: random", "has no server of its own"],
    ["auto_eject_hosts: true", "without being moved"],
    ["read_from: any", "leave out read_from"],
    ["transactions: split", "when EXEC comes"],
  ])("cannot be had with %p", (line, why) => {
    expect(problemsOf(SERVERS, line).join()).toContain(why);
  });

  test("cannot be had by a cluster", () => {
    expect(problemsOf("redis_cluster: [127.0.0.1:7000]").join()).toContain('it needs "servers"');
  });

  test("cannot be had by a pool that a route leads to", () => {
    const text = [
      "pools:",
      "  tree: { listen: 127.0.0.1:3, route: main }",
      `  main: { listen: 127.0.0.1:1, migrate: true, ${SERVERS} }`,
      "",
    ].join("\n");
    const problems = loadConfig(text, "F").problems.map((each) => formatProblem(each, null));
    expect(problems.join()).toContain("no route may lead to such a pool");
  });
});
