/** VALUE blocks in a server's reply to `get`: VALUE <key> <flags> <size> [<cas>] CR LF <data> CR LF. */

const LF = 10;
const CR = 13;
const SPACE = 0x20;
const ZERO = 0x30;
const V = 0x56;
/** "VALUE " */
const PREFIX_BYTES = 6;

/**
 * Where the block at `at` ends, if it is that of key keyBytes[keyStart, keyEnd); 0: it is not, or there is none before
 * `end`. The block is known to be complete and sound (TextReplyScanner).
 */
export function blockEndOf(
  bytes: Buffer,
  at: number,
  end: number,
  keyBytes: Buffer,
  keyStart: number,
  keyEnd: number,
): number {
  if (at >= end || bytes[at] !== V) return 0;
  let position = at + PREFIX_BYTES;
  for (let key = keyStart; key < keyEnd; key++) {
    if (bytes[position++] !== keyBytes[key]) return 0;
  }
  if (bytes[position++] !== SPACE) return 0;
  while (bytes[position++] !== SPACE);
  let size = 0;
  for (;;) {
    const digit = bytes[position]! - ZERO;
    if (digit < 0 || digit > 9) break;
    size = size * 10 + digit;
    position++;
  }
  while (bytes[position++] !== LF);
  return position + size + 2;
}

/**
 * Where the block at `position` ends, if one begins there, it is complete and sound, and its data is not long (nearly
 * all are); 0 says nothing.
 */
export function endOfBlock(bytes: Buffer, position: number, end: number): number {
  if (position + PREFIX_BYTES >= end || bytes[position] !== V) return 0;
  // VALUE and not VA, VERSION or anything else.
  if (bytes[position + 2] !== L || bytes[position + 5] !== SPACE) return 0;
  const flags = endOfWord(bytes, position + PREFIX_BYTES, end) + 1;
  const first = endOfWord(bytes, flags, end) + 1;
  if (first > end || bytes[flags - 1] !== SPACE || bytes[first - 1] !== SPACE) return 0;
  let at = first;
  let size = 0;
  while (at < end) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) break;
    size = size * 10 + digit;
    at++;
  }
  if (at === first || at - first > DIGITS_MAX) return 0;
  while (at < end && bytes[at] !== LF) at++;
  const next = at + 1 + size + 2;
  if (next > end) return 0;
  return bytes[next - 2] === CR && bytes[next - 1] === LF ? next : 0;
}

/** Where the first byte from `at` on is that may not be in a word; keys with such bytes are rare. */
function endOfWord(bytes: Buffer, at: number, end: number): number {
  let position = at;
  while (position < end && bytes[position]! > SPACE) position++;
  return position;
}

const L = 0x4c;
const DIGITS_MAX = 9;
