import { describe, expect, test } from "bun:test";
import { keyName, keySpaceFor, storedValue } from "../../../bench/key-space.ts";
import { namesOf, parseOptions } from "../../../bench/options.ts";
import { parseProxy, perEngine } from "../../../bench/proxies.ts";

import { allWorkloads, keysOf, speechOf } from "../../../bench/workloads.ts";

describe("workloads", () => {
  test("all names differ, and none needs more memory than allowed", () => {
    const all = allWorkloads();
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { command, valueBytes, depth, clients } of all) {
      expect(clients * depth * keysOf(command) * valueBytes).toBeLessThanOrEqual(2 ** 26);
    }
  });

  test("what is compared is there", () => {
    const names = allWorkloads().map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        ...["GET 4KB P16", "SET 256KB P1", "GET 1MB P1", "GET 1MB P16 C4", "SET 1MB P64 C1"],
        ...["MGET100 100B P1", "MGET10 16KB P1", "connect"],
        ...["GET 100B P1 C1", "GET 100B P1 C4", "GET 100B P1 C500", "GET 100B P16 C500"],
        ...["memcache get 100B P1", "memcache get100 100B P1", "memcache set 16KB P1"],
        ...["memcache mg 100B P16", "memcache binary-get 100B P1", "memcache get 100B P1 C500"],
      ]),
    );
    const speeches = new Set(allWorkloads().map(speechOf));
    expect([...speeches].sort()).toEqual(["memcache", "memcache-binary", "memcache-meta", "redis"]);
  });

  test("bars are set where the project promises something", () => {
    const bars = allWorkloads().flatMap(({ name, cpuRatioMax }) =>
      cpuRatioMax === null ? [] : [`${name} ${cpuRatioMax}`],
    );
    expect(bars).toEqual([
      ...["GET 100B P1 0.85", "GET 100B P16 0.7", "GET 100B P64 0.6", "GET 16KB P1 1"],
      ...["GET 16KB P16 1", "GET 16KB P64 1", "SET 100B P1 0.85", "SET 100B P16 0.7"],
      ...["SET 100B P64 0.6", "SET 16KB P16 1", "MGET100 100B P1 0.55", "connect 1"],
      ...["memcache get 100B P1 0.85", "memcache get100 100B P1 0.5"],
    ]);
  });
});

describe("command line", () => {
  test("--only reaches workloads outside of the usual set, and the special ones", () => {
    expect(namesOf(parseOptions(["--only", "^get 16kb p64$"]))).toEqual(["GET 16KB P64"]);
    expect(namesOf(parseOptions(["--only", "bad-day|memory|connect"]))).toEqual([
      ...["connect", "bad-day", "memory"],
    ]);
  });

  test("each extent holds more than the one before", () => {
    const [quick, usual, full] = [["--quick"], [], ["--full"]].map((words) =>
      namesOf(parseOptions(words)),
    );
    expect(usual).toEqual(expect.arrayContaining([...quick!]));
    expect(full).toEqual(expect.arrayContaining([...usual!]));
    expect(quick!.length).toBeLessThan(usual!.length);
    expect(usual!.length).toBeLessThan(full!.length);
  });

  test.each([
    [["--only", "nonsense"], "nothing has such a name"],
    [["--loads", "30,x"], "--loads"],
    [["--rounds", "0"], "--rounds"],
    [["--rounds", "2.5"], "whole"],
    [["--quick", "--full"], "exclude"],
    [["--unknown"], "unknown"],
  ])("%j is refused", (words, message) => {
    expect(() => parseOptions(words)).toThrow(new RegExp(message, "i"));
  });

  test("--proxy", () => {
    const kind = parseProxy("old=/opt/a b -c {config} --x=1");
    expect([kind.name, kind.command]).toEqual(["old", ["/opt/a", "b", "-c", "{config}", "--x=1"]]);
    expect(() => parseProxy("old=/opt/a")).toThrow("{config}");
    expect(() => parseProxy("no command {port}")).toThrow("--proxy wants");
  });
});

test("--engine: the own proxy takes part once for each", () => {
  const kind = parseProxy("proxy=/opt/proxy -c {config}");
  expect(perEngine(kind, [])).toEqual([kind]);
  const { engines } = parseOptions(["--engine", "uring", "--engine", "bun"]);
  expect(perEngine(kind, engines).map(({ name, command }) => [name, command.join(" ")])).toEqual([
    ["proxy-uring", "/opt/proxy -c {config} --engine uring"],
    ["proxy-bun", "/opt/proxy -c {config} --engine bun"],
  ]);
});

test("keys are named as redis-benchmark names them, and values have the wanted size", () => {
  expect(keyName(42)).toBe("key:000000000042");
  expect(storedValue(42, 100)).toBe(`key:000000000042${"x".repeat(84)}`);
  expect(keySpaceFor(100).keys).toBe(20_000);
  expect(keySpaceFor(16 * 1024).keys).toBe(4096);
});
