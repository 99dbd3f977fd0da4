/**
 * Finds where a server's reply ends, in RESP2 or RESP3.
 *
 * Arrays need no stack: `remaining` counts the elements that are still to come, whatever their depth. So depth costs nothing here, and has
 * no bound: a client's script may have Redis nest thousands of arrays, over a connection that other clients use, too. An attribute
 * (RESP3) belongs to the reply that it precedes. A push (RESP3) is a message of its own, and never part of a reply.
 */
import {
  INCOMPLETE,
  KIND,
  NO_PUSH,
  type ReplyKind,
  type ReplyScanner,
} from "../../../api/protocol.ts";
import { BULK_BYTES_MAX, REPLY_LINE_BYTES_MAX } from "../../../base/limits.ts";
import type { RespVersion } from "./encode.ts";
import { ERROR_BYTES, errorKind, SIGNALS } from "./error-kind.ts";

const CR = 13;
const LF = 10;
const ZERO = 0x30;
const MINUS = 0x2d;
const DOLLAR = 0x24;
const ASTERISK = 0x2a;
const BANG = 0x21;
const UNDERSCORE = 0x5f;
const BAR = 0x7c;
const GREATER = 0x3e;
const GARBAGE = -1;

/** How an element goes on after its first byte: nothing known, one line, counted bytes, or more elements. */
const UNKNOWN = 0;
const LINE = 1;
const BULK = 2;
const ELEMENTS = 3;
const PAIRS = 4;
const FORMS: Uint8Array = new Uint8Array(256);
for (const type of "+-:_,#(") FORMS[type.charCodeAt(0)] = LINE;
for (const type of "$!=") FORMS[type.charCodeAt(0)] = BULK;
for (const type of "*~>") FORMS[type.charCodeAt(0)] = ELEMENTS;
for (const type of "%|") FORMS[type.charCodeAt(0)] = PAIRS;

/** Elements of one reply, all depths together. */
const ELEMENTS_MAX = 2 ** 31;
const NULL_LENGTH = -1;
const NO_LENGTH = -2;

export class RedisReplyScanner implements ReplyScanner {
  need = 0;
  readonly pushType: number;
  readonly identifiesRequests = false;
  readonly parts = 0;
  readonly errorBytes: Uint8Array = ERROR_BYTES;
  readonly signals: readonly (string | undefined)[] = SIGNALS;
  private remaining = 1;
  /** Scanned so far, relative to the reply's start. */
  private offset = 0;
  /** Of a line that is not complete: so much was searched for its end, relative to the reply's start. */
  private searched = 0;

  /** @param version what is spoken on the connection: with RESP2 a server sends no pushes */
  constructor(version: RespVersion) {
    this.pushType = version === 3 ? GREATER : NO_PUSH;
  }

  scan(bytes: Buffer, start: number, end: number): number {
    let position = start + this.offset;
    let remaining = this.remaining;
    while (remaining > 0) {
      const bulkEnd = endOfShortBulk(bytes, position, end);
      if (bulkEnd > 0) {
        position = bulkEnd;
        this.searched = 0;
        remaining--;
        continue;
      }
      const next = this.scanElement(
        bytes,
        start,
        position,
        end,
        Math.max(position + 1, start + this.searched),
      );
      if (next <= 0) {
        if (next < 0) return GARBAGE;
        // Its last byte may be the CR whose LF is still to come.
        this.searched = Math.max(end - 1 - start, 0);
        this.offset = position - start;
        this.remaining = remaining;
        this.need = this.elementEnd - start;
        return INCOMPLETE;
      }
      remaining += this.children - 1;
      if (remaining > ELEMENTS_MAX) return GARBAGE;
      position = next;
      this.searched = 0;
    }
    this.offset = 0;
    this.remaining = 1;
    return position;
  }

  kindOf(bytes: Buffer, start: number, end: number): ReplyKind {
    const type = bytes[start];
    if (type === MINUS) return isRedirect(bytes, start, end) ? KIND.redirect : KIND.error;
    if (type === BANG) return KIND.error;
    // "$-1", "*-1" and, in RESP3, "_".
    const isNull =
      type === UNDERSCORE || ((type === DOLLAR || type === ASTERISK) && bytes[start + 1] === MINUS);
    return isNull ? KIND.miss : KIND.value;
  }

  errorOf(bytes: Buffer, start: number, end: number): number {
    return errorKind(bytes, start, end);
  }

  reset(): void {
    this.offset = 0;
    this.searched = 0;
    this.remaining = 1;
    this.need = 0;
  }

  /** Set by `scanElement`: elements of the array that begins there. */
  private children = 0;
  /** Set by an incomplete `scanElement`: where the element ends at the earliest. */
  private elementEnd = 0;

  /** Returns where the element at `position` ends (for an array: its header), INCOMPLETE or GARBAGE. */
  private scanElement(
    bytes: Buffer,
    start: number,
    position: number,
    end: number,
    from: number,
  ): number {
    this.children = 0;
    this.elementEnd = end + 1;
    if (position >= end) return INCOMPLETE;
    const type = bytes[position]!;
    const form = FORMS[type]!;
    if (form === BULK) return this.scanBulk(bytes, position, end);
    if (form === UNKNOWN) return GARBAGE;
    if (type === GREATER && (position !== start || type !== this.pushType)) return GARBAGE;
    const cr = findLineEnd(bytes, from, end);
    if (cr === INCOMPLETE) return mayGoOn(form, end - position) ? INCOMPLETE : GARBAGE;
    if (cr < 0) return cr;
    if (form === LINE) return cr - position > REPLY_LINE_BYTES_MAX ? GARBAGE : cr + 2;
    const count = parseLength(bytes, position + 1, cr);
    if (count === NO_LENGTH) return GARBAGE;
    if (count > 0) this.children = form === PAIRS ? 2 * count : count;
    // The reply that an attribute is about comes on top of it.
    if (type === BAR) this.children++;
    return cr + 2;
  }

  private scanBulk(bytes: Buffer, position: number, end: number): number {
    const cr = findLineEnd(bytes, position + 1, end);
    if (cr === INCOMPLETE) return mayGoOn(BULK, end - position) ? INCOMPLETE : GARBAGE;
    if (cr < 0) return cr;
    const length = parseLength(bytes, position + 1, cr);
    if (length === NO_LENGTH || length > BULK_BYTES_MAX) return GARBAGE;
    if (length === NULL_LENGTH) return cr + 2;
    const next = cr + 2 + length + 2;
    if (next > end) {
      this.elementEnd = next;
      return INCOMPLETE;
    }
    return bytes[next - 2] === CR && bytes[next - 1] === LF ? next : GARBAGE;
  }
}

const REDIRECTS: readonly Buffer[] = [Buffer.from("-MOVED "), Buffer.from("-ASK ")];

/** The error in bytes[start, end) is one with which a server of a Redis Cluster names another. */
function isRedirect(bytes: Buffer, start: number, end: number): boolean {
  for (const words of REDIRECTS) {
    const wordsEnd = start + words.length;
    if (wordsEnd <= end && bytes.compare(words, 0, words.length, start, wordsEnd) === 0)
      return true;
  }
  return false;
}

/**
 * Where the bulk string at `position` ends, if it is complete, sound and under a thousand bytes: nearly all are. 0
 * says nothing.
 */
export function endOfShortBulk(bytes: Buffer, position: number, end: number): number {
  if (position + 5 > end || bytes[position] !== DOLLAR) return 0;
  let at = position + 1;
  let length = bytes[at]! - ZERO;
  if (length < 0 || length > 9) return 0;
  let digit = bytes[++at]! - ZERO;
  if (digit >= 0 && digit <= 9) {
    length = length * 10 + digit;
    digit = bytes[++at]! - ZERO;
    if (digit >= 0 && digit <= 9) {
      length = length * 10 + digit;
      at++;
    }
  }
  const next = at + length + 4;
  if (next > end || bytes[at] !== CR || bytes[at + 1] !== LF) return 0;
  return bytes[next - 2] === CR && bytes[next - 1] === LF ? next : 0;
}

/** Long enough for any length or integer: lines that are longer are looked through natively. */
const SHORT_LINE_BYTES = 24;

/** "$", at most ten digits, CR LF. */
const LENGTH_LINE_BYTES_MAX = 16;

/** A line of so many bytes need not have ended yet. */
function mayGoOn(form: number, length: number): boolean {
  // The CR may be there, and its LF still to come.
  return length <= (form === LINE ? REPLY_LINE_BYTES_MAX + 1 : LENGTH_LINE_BYTES_MAX);
}

/** Position of the CR that ends the line which `from` is in, INCOMPLETE (its LF included) or GARBAGE. */
function findLineEnd(bytes: Buffer, from: number, end: number): number {
  const shortEnd = from + SHORT_LINE_BYTES < end ? from + SHORT_LINE_BYTES : end;
  let at = from;
  while (at < shortEnd && bytes[at] !== CR) at++;
  if (at === shortEnd && at < end) {
    const cr = bytes.indexOf(CR, at);
    at = cr < 0 || cr >= end ? end : cr;
  }
  if (at + 1 >= end) return INCOMPLETE;
  return bytes[at + 1] === LF ? at : GARBAGE;
}

/** The decimal in bytes[start, end); NULL_LENGTH for "-1"; NO_LENGTH for anything else. */
export function parseLength(bytes: Buffer, start: number, end: number): number {
  if (end - start === 2 && bytes[start] === MINUS && bytes[start + 1] === ZERO + 1)
    return NULL_LENGTH;
  if (end <= start || end - start > 10) return NO_LENGTH;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return NO_LENGTH;
    value = value * 10 + digit;
  }
  return value;
}
