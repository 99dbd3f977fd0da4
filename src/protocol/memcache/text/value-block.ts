/** VALUE blocks in a server's reply to `get`: VALUE <key> <flags> <size> [<cas>] CR LF <data> CR LF. */

const LF = 10;
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
