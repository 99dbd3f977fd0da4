/** Numbers as Redis reads and prints them. */
import { CommandError, NOT_FLOAT, NOT_INTEGER, NOT_POSITIVE } from "./command-error.ts";

export const INT64_MAX: bigint = 2n ** 63n - 1n;
export const INT64_MIN: bigint = -(2n ** 63n);

const INTEGER = /^(0|-?[1-9][0-9]{0,18})$/;
const DECIMAL = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?[0-9]+))?$/i;
const INFINITE = /^([+-]?)inf(inity)?$/i;

/** A signed 64-bit integer in its one canonical spelling, or null. */
export function parseInteger(text: string): bigint | null {
  if (!INTEGER.test(text)) return null;
  const value = BigInt(text);
  return value >= INT64_MIN && value <= INT64_MAX ? value : null;
}

export function integerArg(text: string, message: string = NOT_INTEGER): bigint {
  const value = parseInteger(text);
  if (value === null) throw new CommandError(message);
  return value;
}

/** For indexes and counts, where exactness beyond 2^53 cannot matter. */
export function numberArg(text: string, message: string = NOT_INTEGER): number {
  return Number(integerArg(text, message));
}

export function positiveArg(text: string, message: string = NOT_POSITIVE): number {
  const value = numberArg(text, message);
  if (value < 0) throw new CommandError(message);
  return value;
}

/** What C's strtod makes of the whole text; null when it would stop early or the value is not a number or not representable. */
export function parseDouble(text: string): number | null {
  if (DECIMAL.test(text)) {
    const value = Number(text);
    if (!Number.isFinite(value)) return null;
    if (value === 0 && /[1-9]/.test(text.replace(/e.*/i, ""))) return null;
    return value;
  }
  const infinite = INFINITE.exec(text);
  if (infinite !== null) return infinite[1] === "-" ? -Infinity : Infinity;
  return parseHexadecimal(text);
}

function parseHexadecimal(text: string): number | null {
  const parts = HEXADECIMAL.exec(text);
  if (parts === null) return null;
  const [, sign, whole = "", fraction = "", power = "0"] = parts;
  if (whole.length + fraction.length === 0) return null;
  const magnitude =
    Number(BigInt(`0x${whole}${fraction}`)) * 2 ** (Number(power) - 4 * fraction.length);
  return sign === "-" ? -magnitude : magnitude;
}

export function doubleArg(text: string, message: string = NOT_FLOAT): number {
  const value = parseDouble(text);
  if (value === null) throw new CommandError(message);
  return value;
}

/** C's "%.17g", which is how Redis 7.0 prints a score in RESP2. */
export function formatDouble(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0";
  const [mantissa = "", power = "0"] = value.toExponential(16).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 17) return trimZeros(value.toFixed(16 - exponent));
  const digits = String(Math.abs(exponent)).padStart(2, "0");
  return `${trimZeros(mantissa)}e${exponent < 0 ? "-" : "+"}${digits}`;
}

/** Takes the zeros off the end of a fraction, and the point when nothing is left behind it. */
export function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
