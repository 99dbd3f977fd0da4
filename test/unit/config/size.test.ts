import { expect, test } from "bun:test";
import { formatSize, parseSize } from "../../../src/config/size.ts";

test.each<[string, number | null]>([
  ["1kb", 1024],
  ["1.5KB", 1536],
  ["64mb", 67_108_864],
  ["2GB", 2_147_483_648],
  ["1tb", 1_099_511_627_776],
  ["100b", 100],
  ["0.3kb", 307],
  ["100", null],
  ["1k", null],
  ["1 gb", null],
  ["-1gb", null],
  ["1.gb", null],
  ["gb", null],
  ["", null],
])("%s", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test("a size is shown in the largest unit without a fraction", () => {
  expect([1, 1024, 1536, 67_108_864, 2_147_483_648].map(formatSize)).toEqual([
    "1b",
    "1kb",
    "1536b",
    "64mb",
    "2gb",
  ]);
});
