/**
 * Numbers as memcached reads them (util.c: safe_strtol, safe_strtoul, safe_strtoull): C's rules, so blanks and a plus
 * sign may come first and anything behind a blank is passed over, and 32-bit ones lose their upper half. What goes on to
 * a server is what memcached understood, in plain digits.
 */

const ZERO = 0x30;

/**
 * The number in bytes[start, end) if it is written in plain digits (nearly all are) and not above `max`, which is
 * below 10^10; else -1, which says nothing.
 */
export function plainDecimal(bytes: Buffer, start: number, end: number, max: number): number {
  if (end <= start || end - start > 10) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= max ? value : -1;
}

/** Whether bytes[start, end) are plain digits of a number that surely fits in 64 bits. */
export function isPlainUint64(bytes: Buffer, start: number, end: number): boolean {
  if (end <= start || end - start > 19) return false;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return false;
  }
  return true;
}

/** @returns null: memcached does not take it for a signed 32-bit number */
export function parseInt32(text: string): number | null {
  const value = parse(text);
  if (value === null || BigInt.asIntN(64, value) !== value) return null;
  return Number(BigInt.asIntN(32, value));
}

/** @returns null: memcached does not take it for an unsigned 32-bit number */
export function parseUint32(text: string): number | null {
  const value = parseUint64(text);
  return value === null ? null : Number(BigInt.asUintN(32, value));
}

/** @returns null: memcached does not take it for an unsigned 64-bit number */
export function parseUint64(text: string): bigint | null {
  const value = parse(text);
  if (value === null || value > UINT64_MAX || value < -UINT64_MAX) return null;
  const unsigned = BigInt.asUintN(64, value);
  // C wraps negative numbers around; memcached refuses those that come out large.
  return value < 0n && BigInt.asIntN(64, unsigned) < 0n ? null : unsigned;
}

const UINT64_MAX = 2n ** 64n - 1n;
/** More digits than any 64-bit number has, leading zeros apart. */
const DIGITS_MAX = 21;

function parse(text: string): bigint | null {
  const found = /^[\t\n\v\f\r ]*([+-]?)0*([0-9]+)(?:[\t\n\v\f\r ]|$)/.exec(text);
  if (found === null) return null;
  const [, sign, digits = ""] = found;
  const value = BigInt(digits.substring(0, DIGITS_MAX));
  return sign === "-" ? -value : value;
}
