/**
 * A number in place of a word (a key, an opaque), to recognise the word by: another word has the same one in one of four
 * billion cases, and never when only one group of four bytes differs.
 */

const PRIME = 0x9e3779b1;

/** The number of the word bytes[start, end); never 0. */
export function checkOf(bytes: Buffer, start: number, end: number): number {
  let check = end - start;
  let at = start;
  for (const stop = end - 3; at < stop; at += 4) {
    const group =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    check = Math.imul(check ^ group, PRIME);
    check ^= check >>> 15;
  }
  for (; at < end; at++) {
    check = Math.imul(check ^ bytes[at]!, PRIME);
    check ^= check >>> 15;
  }
  return check === 0 ? 1 : check;
}
