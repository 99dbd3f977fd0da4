/**
 * Finds where a server's text reply ends.
 *
 *   one line                      STORED, 5, HD c17, EN, SERVER_ERROR …
 *   VA <size> …  data             the hit of a meta get
 *   VALUE … data  VALUE … END     get, gets, gat, gats
 *   STAT …  STAT …  END           stats (ITEM … END: stats cachedump)
 *
 * An error line may stand in for the END, when the server ran into trouble halfway.
 */
import {
  INCOMPLETE,
  KIND,
  NO_PUSH,
  type ReplyKind,
  type ReplyScanner,
} from "../../../../api/protocol.ts";
import {
  MEMCACHE_REPLY_LINE_BYTES_MAX,
  MEMCACHE_STATISTICS_BYTES_MAX,
  MEMCACHE_VALUE_BYTES_MAX,
} from "../../../../base/limits.ts";
import { MEMCACHE_ERRORS } from "../../metrics.ts";
import { endOfBlock } from "./value-block.ts";

const CR = 13;
const LF = 10;
const SPACE = 0x20;
const ZERO = 0x30;
const GARBAGE = -1;
const C = 0x43;
const E = 0x45;
const L = 0x4c;
const R = 0x52;
const S = 0x53;
const ERROR_BYTES: Uint8Array = new Uint8Array(256);
for (const first of [C, E, S]) ERROR_BYTES[first] = 1;

export class TextReplyScanner implements ReplyScanner {
  need = 0;
  readonly pushType: number = NO_PUSH;
  readonly identifiesRequests = true;
  /** VALUE blocks. */
  parts = 0;
  readonly errorBytes: Uint8Array = ERROR_BYTES;
  /** STAT and ITEM lines. */
  private statistics = 0;
  /** Complete parts of the reply, relative to its start. */
  private offset = 0;
  /** Of a line that is not complete: so much was searched for its end, relative to the reply's start. */
  private searched = 0;

  scan(bytes: Buffer, start: number, end: number): number {
    let position = start + this.offset;
    if (this.offset === 0) {
      this.parts = 0;
      this.statistics = 0;
    }
    for (;;) {
      const blockEnd = endOfBlock(bytes, position, end);
      if (blockEnd > 0) {
        position = blockEnd;
        this.parts++;
        this.searched = 0;
        continue;
      }
      const next = this.scanPart(bytes, start, position, end);
      if (next <= 0) {
        this.offset = position - start;
        return next;
      }
      this.searched = 0;
      position = next;
      if (this.hasMore) continue;
      this.offset = 0;
      return this.parts > 0 && this.statistics > 0 ? GARBAGE : position;
    }
  }

  /** Asked of each part of a multi-get: nearly all begin with VALUE, and are known by one byte. */
  kindOf(bytes: Buffer, start: number, end: number): ReplyKind {
    switch (bytes[start]) {
      case E:
        if (startsWith(bytes, start, end, ERROR)) return KIND.error;
        return startsWith(bytes, start, end, END) || startsWith(bytes, start, end, EN)
          ? KIND.miss
          : KIND.value;
      case N:
        return startsWith(bytes, start, end, NF) || startsWith(bytes, start, end, NOT_FOUND)
          ? KIND.miss
          : KIND.value;
      case C:
        return startsWith(bytes, start, end, CLIENT_ERROR) ? KIND.error : KIND.value;
      case S:
        return startsWith(bytes, start, end, SERVER_ERROR) ? KIND.error : KIND.value;
      default:
        return KIND.value;
    }
  }

  errorOf(bytes: Buffer, start: number): number {
    // ERROR, not EXISTS, END or EN; and what cannot be anything but CLIENT_ERROR and SERVER_ERROR.
    const second = bytes[start + 1];
    if (bytes[start] === C) return second === L ? MEMCACHE_ERRORS.at.CLIENT_ERROR : -1;
    if (bytes[start] === S) return second === E ? MEMCACHE_ERRORS.at.SERVER_ERROR : -1;
    return second === R ? MEMCACHE_ERRORS.at.ERROR : -1;
  }

  reset(): void {
    this.offset = 0;
    this.searched = 0;
    this.need = 0;
  }

  /** Set by `scanPart`: another part follows. */
  private hasMore = false;

  /** Where the line (and the data behind it) at `position` ends, INCOMPLETE or GARBAGE. */
  private scanPart(bytes: Buffer, start: number, position: number, end: number): number {
    const from = start + this.searched;
    const lineEnd = findLineEnd(bytes, from > position ? from : position, end);
    if (lineEnd < 0) {
      if (end - position > MEMCACHE_REPLY_LINE_BYTES_MAX) return GARBAGE;
      this.searched = end - start;
      this.need = end + 1 - start;
      return INCOMPLETE;
    }
    if (lineEnd - position > MEMCACHE_REPLY_LINE_BYTES_MAX) return GARBAGE;
    const kind = kindOf(bytes, position, lineEnd);
    this.hasMore = kind === BLOCK || kind === LINE_OF_MANY;
    if (kind === LINE_OF_MANY) {
      this.statistics++;
      return lineEnd - start > MEMCACHE_STATISTICS_BYTES_MAX ? GARBAGE : lineEnd;
    }
    if (kind === LAST_LINE) return lineEnd;
    const size = sizeOf(bytes, position, lineEnd, kind === BLOCK ? 3 : 1);
    if (size < 0) return GARBAGE;
    const next = lineEnd + size + 2;
    if (next > end) {
      this.searched = 0;
      this.need = next - start;
      return INCOMPLETE;
    }
    if (kind === BLOCK) this.parts++;
    return bytes[next - 2] === CR && bytes[next - 1] === LF ? next : GARBAGE;
  }
}

/** A line that is a reply, or the end of one. */
const LAST_LINE = 0;
/** VALUE … with data behind it; more follows. */
const BLOCK = 1;
/** VA … with data behind it; the reply ends there. */
const META_BLOCK = 2;
/** STAT … or ITEM …; more follows. */
const LINE_OF_MANY = 3;

/** What bytes[start, end), a line with its end, is. */
function kindOf(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start];
  if (first === V) {
    if (bytes[start + 1] !== A) return LAST_LINE;
    if (bytes[start + 2] === SPACE) return META_BLOCK;
    return startsWith(bytes, start, end, VALUE) ? BLOCK : LAST_LINE;
  }
  if (first === S && startsWith(bytes, start, end, STAT)) return LINE_OF_MANY;
  if (first === I && startsWith(bytes, start, end, ITEM)) return LINE_OF_MANY;
  return LAST_LINE;
}

const V = 0x56;
const A = 0x41;
const I = 0x49;
const N = 0x4e;
const VALUE: Buffer = Buffer.from("VALUE ");
const STAT: Buffer = Buffer.from("STAT ");
const ITEM: Buffer = Buffer.from("ITEM ");
/** Alone: of a get that found nothing. */
const END: Buffer = Buffer.from("END\r\n");
// Words of meta commands for a key that is not there.
const EN: Buffer = Buffer.from("EN\r\n");
const NF: Buffer = Buffer.from("NF");
const NOT_FOUND: Buffer = Buffer.from("NOT_FOUND\r\n");
const ERROR: Buffer = Buffer.from("ERROR");
const CLIENT_ERROR: Buffer = Buffer.from("CLIENT_ERROR ");
const SERVER_ERROR: Buffer = Buffer.from("SERVER_ERROR ");

/** Whether bytes[start, end) begins with `word`, whose first byte is known to be there. */
function startsWith(bytes: Buffer, start: number, end: number, word: Buffer): boolean {
  if (end - start < word.length) return false;
  for (let i = 1; i < word.length; i++) if (bytes[start + i] !== word[i]) return false;
  return true;
}

/** Lines are short for the most part: a native search costs more than this many bytes. */
const SHORT_LINE_BYTES = 64;

/** Where the line ends that bytes[from] is in, its LF included; -1: not here yet. */
function findLineEnd(bytes: Buffer, from: number, end: number): number {
  const shortEnd = from + SHORT_LINE_BYTES < end ? from + SHORT_LINE_BYTES : end;
  let at = from;
  while (at < shortEnd && bytes[at] !== LF) at++;
  if (at < shortEnd) return at + 1;
  if (at === end) return -1;
  const found = bytes.indexOf(LF, at);
  return found < 0 || found >= end ? -1 : found + 1;
}

/** The number behind so many blanks of the line bytes[start, lineEnd); -1: there is none, or it is too large. */
function sizeOf(bytes: Buffer, start: number, lineEnd: number, blanks: number): number {
  let at = start;
  for (let left = blanks; left > 0; at++) {
    if (at >= lineEnd) return -1;
    if (bytes[at] === SPACE) left--;
  }
  const first = at;
  let size = 0;
  for (;;) {
    const digit = bytes[at]! - ZERO;
    if (!(digit >= 0 && digit <= 9)) break;
    size = size * 10 + digit;
    if (size > MEMCACHE_VALUE_BYTES_MAX) return -1;
    at++;
  }
  const isEnd = bytes[at] === SPACE || (bytes[at] === CR && at === lineEnd - 2);
  return at > first && isEnd ? size : -1;
}
