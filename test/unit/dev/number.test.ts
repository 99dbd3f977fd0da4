/** Numbers as C prints and reads them. The expected texts are what redis-server 7.0.15 answered. */
import { expect, test } from "bun:test";
import {
  addExtended,
  formatExtended,
  parseExtended,
} from "../../../src/dev/redis/extended-float.ts";
import { formatDouble, parseDouble } from "../../../src/dev/redis/number.ts";
import { parseInt64 } from "../../../src/protocols/redis/codec/integer.ts";

test.each([
  [3.3, "3.2999999999999998"],
  [0.1, "0.10000000000000001"],
  [1e16, "10000000000000000"],
  [1e17, "1e+17"],
  [-1e16, "-10000000000000000"],
  [0.0001, "0.0001"],
  [0.00001, "1.0000000000000001e-05"],
  [5e-324, "4.9406564584124654e-324"],
  [1.7976931348623157e308, "1.7976931348623157e+308"],
  // Ties go to the even digit.
  [-(171126492318117 + 5 / 8), "-171126492318117.62"],
  [171126492318117 + 3 / 8, "171126492318117.38"],
  [-0, "-0"],
  [Infinity, "inf"],
  [-Infinity, "-inf"],
])("%p is printed as %s", (value, text) => {
  expect(formatDouble(value)).toBe(text);
});

test.each([
  ["1.5", 1.5],
  ["+1e3", 1000],
  [".5", 0.5],
  ["5.", 5],
  ["0x1F", 31],
  ["0x.8p1", 1],
  ["-Infinity", -Infinity],
  ["1e400", null],
  ["1e-400", null],
  ["0e-400", 0],
  ["nan", null],
  ["", null],
  [" 1", null],
  ["1x", null],
  ["0x", null],
])("%j is read as %p", (text, value) => {
  expect(parseDouble(text)).toBe(value);
});

test.each([
  ["9223372036854775807", 9223372036854775807n],
  ["-9223372036854775808", -9223372036854775808n],
  ["9223372036854775808", null],
  ["-0", null],
  ["01", null],
  ["+1", null],
])("integer %j is read as %p", (text, value) => {
  expect(parseInt64(text)).toBe(value);
});

test.each([
  ["10.5", "0.1", "10.6"],
  ["5.0e3", "200", "5200"],
  ["0", "-0", "0"],
  ["3", "1.1", "4.1"],
  ["1e20", "0.5", "100000000000000000000"],
  ["1e-5", "-1e-5", "0"],
  ["17179869184", "1e-17", "17179869184"],
  ["0x10", "0x.8", "16.5"],
])("%s + %s in extended precision is %s", (left, right, sum) => {
  const [a, b] = [parseExtended(left), parseExtended(right)];
  if (a === null || b === null || a === "infinite" || b === "infinite")
    throw new Error("no number");
  const total = addExtended(a, b);
  expect(total === null ? null : formatExtended(total)).toBe(sum);
});
