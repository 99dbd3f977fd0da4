/** Values of a running proxy: how they are named, checked, put over a configuration and written into its file. */
import { describe, expect, test } from "bun:test";
import type { Config } from "../../../src/api/config.ts";
import { writeValue } from "../../../src/config/document-edit.ts";
import { fieldOf, partOf, setField, withLive } from "../../../src/config/live.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { findOption, namedOptions, textOf } from "../../../src/config/option-path.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { PROTOCOLS } from "../../../src/protocols/registry.ts";

const NATIVE = `# head
log: {level: info}
pools:
  main:
    listen: h:1
    timeout:   5s     # slow
    servers: [h:2:1]
  a.b:
    listen: h:3
    protocol: memcache
    servers: [h:2:1]
`;
const OTHER_VALUES: Readonly<Record<string, string>> = {
  choice: "",
  duration: "1234ms",
  size: "123mb",
  integer: "33",
  boolean: "",
  commands: "[KEYS]",
};

function load(text: string, keys: readonly string[] = [], value = ""): Config | string {
  const overrides = keys.length === 0 ? [] : [{ keys, text: value }];
  const { config, problems } = loadConfig(text, "f.yaml", PROTOCOLS, undefined, overrides);
  return config ?? problems.map((problem) => formatProblem(problem, null)).join("\n");
}

function good(...args: Parameters<typeof load>): Config {
  const config = load(...args);
  if (typeof config === "string") throw new Error(config);
  return config;
}

function named(path: string, config: Config) {
  const found = findOption(path, config, PROTOCOLS);
  if (typeof found === "string") throw new Error(found);
  return found;
}

describe("an option of a running proxy", () => {
  const config = good(NATIVE);

  test("is named by its path in the file, or by pool and name", () => {
    expect(named("pools.main.timeout", config).field).toBe("timeoutMs");
    expect(named("main.timeout", config).path).toBe("pools.main.timeout");
    expect(named("a.b.dead_server", config).field).toBe("options.dead_server");
    expect(named("log.level", config).keys).toEqual(["log", "level"]);
    expect(findOption("main.timeot", config, PROTOCOLS)).toContain('did you mean "main.timeout"?');
    expect(findOption("main", config, PROTOCOLS)).toContain("is a pool");
  });

  test("of a twemproxy file may have no place in it", () => {
    const twemproxy = good("p:\n  listen: h:1\n  servers: [h:2:1]\n");
    expect(named("log.level", twemproxy).keys).toBeNull();
    expect(named("p.timeout", twemproxy).keys).toEqual(["p", "timeout"]);
  });

  test("is shown as a file has it", () => {
    const shown = namedOptions(config, PROTOCOLS).map((one) => [one.path, textOf(one, config)]);
    const texts = new Map(shown as [string, string][]);
    expect(texts.get("pools.main.timeout")).toBe("5s");
    expect(texts.get("pools.main.hash_char")).toBe("signed");
    expect(texts.get("stats.interval")).toBe("none");
    expect(texts.get("pools.main.servers")).toBe("[h:2]");
    for (const text of texts.values()) expect(text).toBeString();
  });

  test("that is live changes its own field, and no other", () => {
    const live = namedOptions(config, PROTOCOLS).filter(({ option }) => option.isLive);
    expect(live.length).toBeGreaterThan(10);
    for (const { path, option, pool, field, keys } of live) {
      const before = fieldOf(partOf(config, pool)!, field);
      const { type } = option;
      const own =
        type.kind === "choice"
          ? type.values.find((value) => value !== textOf(named(path, config), config))!
          : type.kind === "boolean"
            ? `${before !== true}`
            : OTHER_VALUES[type.kind]!;
      const changed = good(NATIVE, keys!, own);
      const value = fieldOf(partOf(changed, pool)!, field);
      expect(value, path).not.toEqual(before);
      setField(partOf(changed, pool)!, field, before);
      expect(changed, path).toEqual(config);
      expect(withLive(config, [{ pool, field, value }]), path).toEqual(good(NATIVE, keys!, own));
    }
  });
});

test("a wrong value is told in the words of a file that has it", () => {
  const inFile = load(NATIVE.replace("5s", "abc"));
  const place = "f.yaml:6:16: ";
  expect(inFile).toStartWith(place);
  // But for the place: the value is not in the file.
  const alone = `${inFile}`.substring(place.length);
  expect(load(NATIVE, ["pools", "main", "timeout"], "abc")).toBe(alone);
  expect(inFile).toContain('f.yaml:6:16: pool "main": timeout: expected milliseconds');
  const absent = load(NATIVE, ["pools", "main", "max_ejection_percent"], "0");
  expect(absent).toContain('pool "main": max_ejection_percent: expected a whole number from 1');
});

describe("writing a value into a file", () => {
  const written = (text: string, keys: string[], value: string): string => {
    const out = writeValue(text, keys, value);
    if (out === null) throw new Error("no place");
    expect(good(out)).toEqual(good(text, keys, value));
    return out;
  };
  const added = (text: string, keys: string[], value: string): string[] => {
    const before = text.split("\n");
    return written(text, keys, value)
      .split("\n")
      .filter((line) => !before.includes(line));
  };

  test("changes nothing but the value", () => {
    expect(written(NATIVE, ["pools", "main", "timeout"], "300ms")).toBe(
      NATIVE.replace("5s", "300ms"),
    );
    expect(written(NATIVE, ["log", "level"], "debug")).toBe(NATIVE.replace("info", "debug"));
  });

  test("adds an option where its map ends", () => {
    expect(added(NATIVE, ["pools", "main", "timeout"], "none")).toEqual([
      "    timeout:   none     # slow",
    ]);
    expect(added(NATIVE, ["pools", "main", "deny_commands"], "[KEYS, CONFIG SET]")).toEqual([
      "    deny_commands: [KEYS, CONFIG SET]",
    ]);
    expect(added(NATIVE, ["stats", "interval"], "2s")).toEqual(["stats: { interval: 2s }"]);
    expect(added(NATIVE, ["drain_timeout"], "3s")).toEqual(["drain_timeout: 3s"]);
    expect(
      added("pools: {p: {listen: h:1, servers: [h:2:1]}}\n", ["pools", "p", "timeout"], "1s"),
    ).toEqual(["pools: {p: {listen: h:1, servers: [h:2:1], timeout: 1s}}"]);
    expect(added(NATIVE.replaceAll("\n", "\r\n"), ["drain_timeout"], "3s")).toEqual([
      "drain_timeout: 3s\r",
    ]);
    expect(added(NATIVE.trimEnd(), ["pools", "a.b", "timeout"], "3s")).toContain("    timeout: 3s");
  });

  test("goes before what is merged, and quotes what needs it", () => {
    const shared = `x-d: &d\n  timeout: 1s\n  servers: [h:2:1]\npools:\n  p:\n    <<: *d\n    listen: h:1\n`;
    expect(added(shared, ["pools", "p", "timeout"], "3s")).toEqual(["    timeout: 3s"]);
    expect(added(shared, ["pools", "p", "hash_tag"], "{}")).toEqual(['    hash_tag: "{}"']);
    const empty = "p:\n  listen: h:1\n  hash_tag:   # none\n  servers: [h:2:1]\n";
    expect(writeValue(empty, ["p", "hash_tag"], "{}")).toBe(
      empty.replace("hash_tag:", 'hash_tag: "{}"'),
    );
  });

  test("of what other places share comes to something else, or finds no place", () => {
    const shared = `pools:\n  p:\n    listen: h:1\n    timeout: &t 1s\n    connect_timeout: *t\n    servers: [h:2:1]\n  q: &q\n    listen: h:3\n    servers: [h:2:1]\n`;
    const keys = ["pools", "p", "timeout"];
    const out = writeValue(shared, keys, "3s");
    expect(
      out === null || JSON.stringify(load(out)) !== JSON.stringify(load(shared, keys, "3s")),
    ).toBe(true);
    expect(writeValue("a: &a {listen: h:1}\nb: *a\n", ["b", "timeout"], "1s")).toBeNull();
  });
});
