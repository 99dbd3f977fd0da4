/**
 * Splits an inline request into its arguments by Redis's rules (sds.c, sdssplitargs): blanks separate, "…" knows
 * \n \r \t \b \a \xHH and \", '…' knows only \', and a closing quote must be followed by a blank or the end.
 */

const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]);
/** What ends a bare word: fewer than what may stand between words. */
const SEPARATORS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const DOUBLE = 0x22;
const SINGLE = 0x27;
const BACKSLASH = 0x5c;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/** The arguments in bytes[start, lineEnd) as buffers of their own, or null when quotes are unbalanced. */
export function splitInline(bytes: Buffer, start: number, lineEnd: number): Buffer[] | null {
  // To Redis a line is a C string.
  const nul = bytes.indexOf(0, start);
  const end = nul < 0 || nul > lineEnd ? lineEnd : nul;
  const values: Buffer[] = [];
  let at = start;
  while (true) {
    while (at < end && BLANKS.has(bytes[at]!)) at++;
    if (at >= end) return values;
    const value: number[] = [];
    const next = readArgument(bytes, at, end, value);
    if (next < 0) return null;
    values.push(Buffer.from(value));
    at = next;
  }
}

/** Reads one argument into `value`; returns where it ends, or -1. */
function readArgument(bytes: Buffer, start: number, end: number, value: number[]): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    if (SEPARATORS.has(byte)) return at;
    if (byte === DOUBLE || byte === SINGLE) {
      const close =
        byte === DOUBLE ? readDouble(bytes, at, end, value) : readSingle(bytes, at, end, value);
      if (close < 0) return -1;
      return close >= end || BLANKS.has(bytes[close]!) ? close : -1;
    }
    value.push(byte);
    at++;
  }
  return at;
}

/** Reads from the opening quote at `start`; returns the position behind the closing one, or -1. */
function readDouble(bytes: Buffer, start: number, end: number, value: number[]): number {
  let at = start + 1;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === DOUBLE) return at + 1;
    if (byte === BACKSLASH && at + 1 < end) {
      const hex = bytes.toString("latin1", at + 1, Math.min(at + 4, end));
      if (/^x[0-9a-fA-F]{2}/.test(hex)) {
        value.push(Number.parseInt(hex.substring(1), 16));
        at += 4;
        continue;
      }
      const escaped = bytes[at + 1]!;
      value.push(ESCAPES[String.fromCharCode(escaped)] ?? escaped);
      at += 2;
      continue;
    }
    value.push(byte);
    at++;
  }
  return -1;
}

function readSingle(bytes: Buffer, start: number, end: number, value: number[]): number {
  let at = start + 1;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === SINGLE) return at + 1;
    if (byte === BACKSLASH && bytes[at + 1] === SINGLE && at + 1 < end) {
      value.push(SINGLE);
      at += 2;
      continue;
    }
    value.push(byte);
    at++;
  }
  return -1;
}
