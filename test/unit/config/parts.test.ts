import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Address } from "../../../src/api/config.ts";
import { formatAddress, parseListen, parseServer } from "../../../src/config/address.ts";
import { formatDuration, parseDuration } from "../../../src/config/duration.ts";
import { didYouMean, nearest } from "../../../src/config/nearest.ts";
import { ProblemList, quote } from "../../../src/config/problem.ts";

test("durations", () => {
  for (const [text, ms] of [
    ["0", 0],
    ["400", 400],
    ["0400", 400],
    ["400ms", 400],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["0.5ms", null],
    ["1.0001s", null],
    ["s", null],
    ["-1", null],
    ["1 s", null],
    ["1e3", null],
    ["", null],
  ] as const) {
    expect([text, parseDuration(text)]).toEqual([text, ms]);
  }
});

test("a duration that was formatted is read as itself", () => {
  fc.assert(fc.property(fc.nat(2_147_483_647), (ms) => parseDuration(formatDuration(ms)) === ms));
  expect([0, 400, 1500, 30_000, 120_000, 7_200_000].map(formatDuration)).toEqual([
    "0ms",
    "400ms",
    "1500ms",
    "30s",
    "2m",
    "2h",
  ]);
});

test("an address that was formatted is read as itself", () => {
  const tcp = fc.record({
    kind: fc.constant("tcp" as const),
    host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
    port: fc.integer({ min: 1, max: 65_535 }),
  });
  const unix = fc.record({
    kind: fc.constant("unix" as const),
    path: fc.stringMatching(/^\/[a-z.:/-]{1,40}$/),
    mode: fc.option(fc.nat(0o777)),
  });
  fc.assert(
    fc.property(fc.oneof(tcp, unix), (address: Address) => {
      expect(parseListen(formatAddress(address))).toEqual(address);
    }),
  );
});

test("a server's parts are cut off from the end", () => {
  expect(parseServer("::1:6379:3 n")).toEqual({
    address: { kind: "tcp", host: "::1", port: 6379 },
    weight: 3,
    name: "n",
  });
  expect(parseServer("/a:b:7")).toEqual({
    address: { kind: "unix", path: "/a:b", mode: null },
    weight: 7,
    name: "/a:b:",
  });
  expect(parseServer("h:11211:1")).toMatchObject({ name: "h" });
  expect(parseServer("h:011211:1")).toMatchObject({ name: "h" });
  expect(parseServer("h:11212:1")).toMatchObject({ name: "h:11212" });
});

test("the nearest name, or none", () => {
  const names = ["timeout", "hash", "hash_tag", "backlog"];
  expect(nearest("tiemout", names)).toBe("timeout");
  expect(nearest("TIMEOUT", names)).toBe("timeout");
  expect(nearest("has", names)).toBe("hash");
  expect(nearest("hashtag", names)).toBe("hash_tag");
  expect(nearest("zzzzzzz", names)).toBeNull();
  expect(nearest("x".repeat(100_000), names)).toBeNull();
  expect(didYouMean("bcklog", names)).toBe('; did you mean "backlog"?');
  expect(didYouMean("zzzzzzz", names)).toBe("");
});

test("offsets become lines and columns", () => {
  const problems = new ProblemList("F", "ab\n\ncd");
  for (const offset of [0, 2, 3, 4, 5]) problems.error(offset, "", "");
  expect(problems.list().map(({ line, column }) => [line, column])).toEqual([
    [1, 1],
    [1, 3],
    [2, 1],
    [3, 1],
    [3, 2],
  ]);
});

test("found text is cut and escaped", () => {
  expect(quote("a\nb")).toBe('"a\\nb"');
  expect(quote("x".repeat(100))).toHaveLength(62);
});
