/** Numbers as Redis reads and prints them. */
import { parseInt64 } from "../../protocols/redis/codec/integer.ts";
import { CommandError, NOT_FLOAT, NOT_INTEGER, NOT_POSITIVE } from "./command-error.ts";

const DECIMAL = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?[0-9]+))?$/i;
const INFINITE = /^([+-]?)inf(inity)?$/i;

export function integerArg(text: string, message: string = NOT_INTEGER): bigint {
  const value = parseInt64(text);
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
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const { digits, exponent } = roundDecimal(Math.abs(value));
  return `${sign}${layOut(digits, exponent)}`;
}

/** %g: plain for exponents from -4 to the precision, scientific beyond; no zeros at the end. */
function layOut(digits: string, exponent: number): string {
  if (exponent < -4 || exponent >= digits.length) {
    const power = String(Math.abs(exponent)).padStart(2, "0");
    const mantissa = trimZeros(`${digits.substring(0, 1)}.${digits.substring(1)}`);
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${power}`;
  }
  if (exponent < 0) return trimZeros(`0.${"0".repeat(-exponent - 1)}${digits}`);
  return trimZeros(`${digits.substring(0, exponent + 1)}.${digits.substring(exponent + 1)}`);
}

const PRECISION = 17;
/** Enough digits to tell a tie from what is merely close to one. */
const EXACT_DIGITS = 100;

/** The 17 leading decimal digits. A tie goes to the even digit, as in C; JavaScript would round it up. */
function roundDecimal(value: number): { digits: string; exponent: number } {
  const [mantissa = "", power = "0"] = value.toExponential(EXACT_DIGITS).split("e");
  const exact = mantissa.replace(".", "");
  const cut = exact.substring(0, PRECISION);
  const isTie = /^50*$/.test(exact.substring(PRECISION));
  if (isTie && /[02468]$/.test(cut)) return { digits: cut, exponent: Number(power) };
  const [rounded = "", roundedPower = "0"] = value.toExponential(PRECISION - 1).split("e");
  return { digits: rounded.replace(".", ""), exponent: Number(roundedPower) };
}

/** How a compact sorted set holds a score, and ZSCAN shows it: integers in full. */
export function formatStoredScore(value: number): string {
  const isWhole = Number.isInteger(value) && Math.abs(value) < 2 ** 62;
  return isWhole ? String(BigInt(value)) : formatDouble(value);
}

/** Takes the zeros off the end of a fraction, and the point when nothing is left behind it. */
export function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0*$/, "") : text;
}
