/**
 * Keys and opaques in meta commands, by which a reply is told from another's: a server gives them back when the request asks for
 * it (`k`, `O…`), and never otherwise.
 */
import type { TextRequest } from "../../codec/text/text-request.ts";
import { checkOf } from "../../codec/text/word-check.ts";

const LF = 10;
const SPACE = 0x20;
const V = 0x56;
const OPAQUE = 0x4f;
const KEY = 0x6b;
/** "HD " */
const CODE_BYTES = 3;

/** The check of the opaque in `request`, a meta command; 0: it has none. */
export function opaqueOf({ bytes, count, tokenStart, tokenEnd }: TextRequest): number {
  for (let i = 2; i < count; i++) {
    const start = tokenStart[i]!;
    if (bytes[start] === OPAQUE) return checkOf(bytes, start + 1, tokenEnd[i]!);
  }
  return 0;
}

/** Whether `request`, a meta command, wants its key in the reply. */
export function wantsKey({ bytes, count, tokenStart, tokenEnd }: TextRequest): boolean {
  for (let i = 2; i < count; i++) {
    const start = tokenStart[i]!;
    if (bytes[start] === KEY && tokenEnd[i] === start + 1) return true;
  }
  return false;
}

/** Bits of what `flagsIn` finds. */
export const HAS_OPAQUE = 1;
export const HAS_KEY = 2;

/**
 * Which of key and opaque the first line of the meta reply bytes[start, end) has; -1: one of them is not its request's.
 * @param key the check of the request's key, decoded
 * @param opaque see opaqueOf
 */
export function flagsIn(
  bytes: Buffer,
  start: number,
  end: number,
  key: number,
  opaque: number,
): number {
  // An error, or nothing behind the code.
  if (bytes[start + CODE_BYTES - 1] !== SPACE) return 0;
  let found = 0;
  const stop = endOfLine(bytes, start, end);
  let at = start + CODE_BYTES;
  // The size of a value.
  if (bytes[start] === V) at = endOfWord(bytes, at, stop) + 1;
  while (at < stop) {
    let next = endOfWord(bytes, at, stop);
    if (bytes[at] === OPAQUE) {
      if (opaque === 0 || checkOf(bytes, at + 1, next) !== opaque) return -1;
      found |= HAS_OPAQUE;
    }
    if (bytes[at] === KEY) {
      next = endOfKey(bytes, at + 1, stop, key);
      if (next < 0) return -1;
      found |= HAS_KEY;
    }
    at = next + 1;
  }
  return found;
}

/** Whether the reply bytes[start, end) to a meta debug command, which begins "ME ", is about the key with this check. */
export function isAboutKey(bytes: Buffer, start: number, end: number, key: number): boolean {
  return endOfKey(bytes, start + CODE_BYTES, endOfLine(bytes, start, end), key) > 0;
}

/**
 * Where the key at `start` ends, if it is the one with this check; else -1. Items that were made with a key in base64 have it so
 * in every reply; others have their key as it is, and those that another protocol made may have blanks in it.
 */
function endOfKey(bytes: Buffer, start: number, stop: number, key: number): number {
  for (let end = endOfWord(bytes, start, stop); ; end = endOfWord(bytes, end + 1, stop)) {
    if (checkOf(bytes, start, end) === key) return end;
    if (end >= stop) break;
  }
  const end = endOfWord(bytes, start, stop);
  const decoded = Buffer.from(bytes.toString("latin1", start, end), "base64");
  return checkOf(decoded, 0, decoded.length) === key ? end : -1;
}

function endOfWord(bytes: Buffer, start: number, stop: number): number {
  let at = start;
  while (at < stop && bytes[at] !== SPACE) at++;
  return at;
}

/** Where the first line of bytes[start, end) ends, its CR LF not counted. */
function endOfLine(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== LF) at++;
  return at - 1;
}
