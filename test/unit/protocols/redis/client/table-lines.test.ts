import { expect, test } from "bun:test";
import { linesOf } from "../../../../../src/protocols/redis/client/local/table-lines.ts";

test("lines are aligned, numbers on the right, and columns that say nothing are left out", () => {
  const rows = [
    { server: "cache-1", requests: 7, failures: 0, trouble: "" },
    { server: "c", requests: 12_345, failures: 0, trouble: "", extra: "x" },
  ];
  expect(linesOf(rows)).toEqual([
    "server   requests  extra",
    "cache-1         7",
    "c           12345  x",
  ]);
});

test("a table without rows, or one that says nothing, is a line all the same", () => {
  expect(linesOf([])).toEqual(["nothing to show"]);
  expect(linesOf([{ failures: 0 }])).toEqual(["nothing to show"]);
});
