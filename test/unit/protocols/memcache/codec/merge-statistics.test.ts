import { expect, test } from "bun:test";
import { mergeStatistics } from "../../../../../src/protocols/memcache/codec/merge-statistics.ts";

test("counters are added, also beyond what a double holds", () => {
  const merged = mergeStatistics(false, [
    [["get_hits", "18446744073709551615"]],
    [["get_hits", "2"]],
    [["get_hits", "0"]],
  ]);
  expect(merged).toEqual([["get_hits", "18446744073709551617"]]);
});

test("names keep the order they come in, and what one server lacks counts all the same", () => {
  const merged = mergeStatistics(false, [
    [
      ["a", "1"],
      ["c", "3"],
    ],
    [
      ["b", "2"],
      ["c", "4"],
    ],
  ]);
  expect(merged).toEqual([
    ["a", "1"],
    ["c", "7"],
    ["b", "2"],
  ]);
});

test.each([
  ["pid", "7", "9", "7"],
  ["version", "1.6.18", "1.6.9", "1.6.18"],
  ["pointer_size", "64", "64", "64"],
  ["uptime", "9", "10", "9"],
  ["items:3:age", "100", "99", "100"],
  ["items:3:number", "100", "99", "199"],
  ["3:chunk_size", "152", "152", "152"],
  ["3:used_chunks", "1", "2", "3"],
  ["accepting_conns", "1", "0", "0"],
  ["rusage_user", "0.900000", "0.200001", "1.100001"],
  ["rusage_user", "0.000001", "0.000002", "0.000003"],
  ["sizes_status", "disabled", "enabled", "disabled"],
])("%s of %s and %s is %s", (name, first, second, both) => {
  expect(mergeStatistics(false, [[[name, first]], [[name, second]]])).toEqual([[name, both]]);
});

test("settings are the first server's, and amounts are added up", () => {
  const settings = (bytes: string, threads: string): [string, string][] => [
    ["maxbytes", bytes],
    ["num_threads", threads],
  ];
  const merged = mergeStatistics(true, [settings("1", "4"), settings("2", "8")]);
  expect(merged).toEqual(settings("3", "4"));
});

test("a server without any, and no server at all", () => {
  expect(mergeStatistics(false, [[], [["a", "1"]]])).toEqual([["a", "1"]]);
  expect(mergeStatistics(false, [])).toEqual([]);
});
