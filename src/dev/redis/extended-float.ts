/**
 * Sums in x87 extended precision (a 64-bit mantissa), which Redis's INCRBYFLOAT and HINCRBYFLOAT compute in: `long double`
 * on x86-64. A value is mantissa × 2^exponent, exact, with BigInt.
 */
import { trimZeros } from "./number.ts";

export interface Extended {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const MANTISSA_BITS = 64;
const EXPONENT_MAX = 16_384;
const EXPONENT_MIN = -16_446;
/** Longest text that Redis parses as a long double. */
const TEXT_MAX = 5 * 1024 - 1;
const DECIMAL_EXPONENT_MAX = 6_000;
const FRACTION_DIGITS = 17;

const DECIMAL = /^([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)(?:e([+-]?[0-9]+))?$/i;
const HEXADECIMAL = /^([+-]?)0x(?=\.?[0-9a-f])([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?[0-9]+))?$/i;
const INFINITE = /^[+-]?inf(inity)?$/i;

/** The value of `text`; "infinite" for inf in any spelling; null when it is no number or not representable. */
export function parseExtended(text: string): Extended | "infinite" | null {
  if (text.length === 0 || text.length > TEXT_MAX) return null;
  if (INFINITE.test(text)) return "infinite";
  const hexadecimal = HEXADECIMAL.exec(text);
  if (hexadecimal !== null) {
    const [, sign, whole = "", fraction = "", power = "0"] = hexadecimal;
    const shift = Number(power) - 4 * fraction.length;
    return inRange(round(signed(sign, BigInt(`0x0${whole}${fraction}`)), shift));
  }
  const decimal = DECIMAL.exec(text);
  if (decimal === null) return null;
  const [, sign, whole = "", fraction = "", power = "0"] = decimal;
  const digits = signed(sign, BigInt(whole + fraction));
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  const scale = Number(power) - fraction.length;
  if (Math.abs(scale) > DECIMAL_EXPONENT_MAX) return null;
  return inRange(fromDecimal(digits, scale));
}

/** @returns null when the sum is too large to represent */
export function addExtended(left: Extended, right: Extended): Extended | null {
  const exponent = Math.min(left.exponent, right.exponent);
  const sum =
    (left.mantissa << BigInt(left.exponent - exponent)) +
    (right.mantissa << BigInt(right.exponent - exponent));
  return sum === 0n ? { mantissa: 0n, exponent: 0 } : inRange(round(sum, exponent));
}

/** C's "%.17Lf" without the zeros at its end. */
export function formatExtended(value: Extended): string {
  const negative = value.mantissa < 0n;
  const magnitude = (negative ? -value.mantissa : value.mantissa) * 10n ** BigInt(FRACTION_DIGITS);
  const scaled =
    value.exponent >= 0
      ? magnitude << BigInt(value.exponent)
      : divideHalfEven(magnitude, 1n << BigInt(-value.exponent));
  const digits = scaled.toString().padStart(FRACTION_DIGITS + 1, "0");
  const point = digits.length - FRACTION_DIGITS;
  const text = trimZeros(`${digits.substring(0, point)}.${digits.substring(point)}`);
  return negative && text !== "0" ? `-${text}` : text;
}

function signed(sign: string | undefined, magnitude: bigint): bigint {
  return sign === "-" ? -magnitude : magnitude;
}

function fromDecimal(digits: bigint, scale: number): Extended {
  if (scale >= 0) return round(digits * 10n ** BigInt(scale), 0);
  const divisor = 10n ** BigInt(-scale);
  // Enough quotient bits for the mantissa, two more to round by, and one that remembers whether anything was left over.
  const shift = Math.max(0, MANTISSA_BITS + 2 + bitLength(divisor) - bitLength(digits));
  const numerator = (digits < 0n ? -digits : digits) << BigInt(shift);
  const quotient = (numerator / divisor) * 2n + (numerator % divisor === 0n ? 0n : 1n);
  return round(digits < 0n ? -quotient : quotient, -shift - 1);
}

function round(value: bigint, exponent: number): Extended {
  const excess = bitLength(value) - MANTISSA_BITS;
  if (excess <= 0) return { mantissa: value, exponent };
  const magnitude = divideHalfEven(value < 0n ? -value : value, 1n << BigInt(excess));
  return { mantissa: value < 0n ? -magnitude : magnitude, exponent: exponent + excess };
}

function inRange(value: Extended): Extended | null {
  if (value.mantissa === 0n) return value;
  const top = value.exponent + bitLength(value.mantissa);
  return top > EXPONENT_MAX || top < EXPONENT_MIN ? null : value;
}

function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const twice = (dividend % divisor) * 2n;
  const up = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  return up ? quotient + 1n : quotient;
}

function bitLength(value: bigint): number {
  return (value < 0n ? -value : value).toString(2).length;
}
