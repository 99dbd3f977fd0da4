import { expect, test } from "bun:test";
import { isInRange, parseIpRange } from "../../../src/os/ip-range.ts";

function isIn(range: string, ip: string): boolean {
  const parsed = parseIpRange(range);
  if (parsed === null) throw new Error(`${range} is no range`);
  return isInRange(parsed, ip);
}

test("an address is in the ranges that share its leading bits", () => {
  expect(isIn("10.0.0.0/8", "10.255.1.2")).toBe(true);
  expect(isIn("10.0.0.0/8", "11.0.0.0")).toBe(false);
  expect(isIn("10.1.2.3", "10.1.2.3")).toBe(true);
  expect(isIn("10.1.2.3", "10.1.2.4")).toBe(false);
  expect(isIn("10.1.2.128/25", "10.1.2.200")).toBe(true);
  expect(isIn("10.1.2.128/25", "10.1.2.127")).toBe(false);
  expect(isIn("0.0.0.0/0", "8.8.8.8")).toBe(true);
  expect(isIn("0.0.0.0/0", "2001:db8::1")).toBe(false);
  expect(isIn("::/0", "8.8.8.8")).toBe(true);
  expect(isIn("2001:db8::/33", "2001:db8:7fff::1")).toBe(true);
  expect(isIn("2001:db8::/33", "2001:db8:8000::1")).toBe(false);
});

test("a client of IPv4 that comes over a socket of IPv6 is the same", () => {
  expect(isIn("10.0.0.0/8", "::ffff:10.1.1.1")).toBe(true);
  expect(isIn("::ffff:10.0.0.0/104", "10.1.1.1")).toBe(true);
});

test("what is no range, or no address", () => {
  for (const text of [
    "",
    "10",
    "10.0.0",
    "10.0.0.0/33",
    "::/129",
    "a.b",
    "10.0.0.0/-1",
    "lo",
    "1.2.3.4/8/8",
  ]) {
    expect([text, parseIpRange(text)]).toEqual([text, null]);
  }
  for (const ip of ["unix", "", "closed"]) expect(isIn("::/0", ip)).toBe(false);
});
