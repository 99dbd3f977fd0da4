/** What memcached 1.6.18 was seen to do with such numbers. */
import { expect, test } from "bun:test";
import {
  isPlainUint64,
  parseInt32,
  parseUint32,
  parseUint64,
  plainDecimal,
} from "../../../../../src/protocols/memcache/codec/text/number.ts";

test.each<[string, number | null]>([
  ["0", 0],
  ["-0", 0],
  ["2147483647", 2147483647],
  ["2147483648", -2147483648],
  ["-2147483649", 2147483647],
  ["4294967297", 1],
  ["9223372036854775807", -1],
  ["9223372036854775808", null],
  ["-9223372036854775809", null],
  ["18446744073709551617", null],
  ["000000000000000000000000000000000000007", 7],
  ["99999999999999999999999999999999", null],
  ["+1", 1],
  ["\t1", 1],
  ["1\tz", 1],
  ["1.5", null],
  ["0x1", null],
  ["", null],
  ["-", null],
  ["+-1", null],
  ["x", null],
])("signed 32 bits: %j", (text, value) => {
  expect(parseInt32(text)).toBe(value);
});

test.each<[string, number | null]>([
  ["4294967295", 4294967295],
  ["4294967296", 0],
  ["18446744073709551615", 4294967295],
  ["18446744073709551616", null],
  ["-1", null],
  ["-4294967295", null],
  ["-18446744073709551615", 1],
  ["-0", 0],
  ["+7", 7],
  ["x", null],
])("unsigned 32 bits: %j", (text, value) => {
  expect(parseUint32(text)).toBe(value);
});

test.each<[string, bigint | null]>([
  ["18446744073709551615", 18446744073709551615n],
  ["18446744073709551616", null],
  ["-1", null],
  ["5 ", 5n],
])("unsigned 64 bits: %j", (text, value) => {
  expect(parseUint64(text)).toBe(value);
});

test("plain digits", () => {
  const plain = (text: string, max: number): number =>
    plainDecimal(Buffer.from(text), 0, text.length, max);
  expect(plain("4294967295", 4294967295)).toBe(4294967295);
  expect(plain("4294967296", 4294967295)).toBe(-1);
  for (const text of ["", "-1", "+1", "1a", "99999999999"]) expect(plain(text, 1e10)).toBe(-1);
  const fits = (text: string): boolean => isPlainUint64(Buffer.from(text), 0, text.length);
  expect(fits("9999999999999999999")).toBe(true);
  expect(fits("18446744073709551615")).toBe(false);
  expect(fits("")).toBe(false);
  expect(fits("1x")).toBe(false);
});
