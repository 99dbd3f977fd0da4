/**
 * Reads what a server sends over a subscriber connection (RESP2):
 *
 *   *3 message channel payload    *4 pmessage pattern channel payload    *3 smessage channel payload
 *   *3 subscribe name count       *3 unsubscribe name|null count         (and with p and s)
 *   -ERR …  in place of all confirmations of one request                 *2 pong text, or +PONG, to a PING
 */
import { parseLength } from "../../codec/reply-scanner.ts";
import type { Kind } from "./kinds.ts";

export type FrameType = "message" | "subscribed" | "unsubscribed" | "pong" | "error" | "unknown";

const CR = 13;
const DOLLAR = 0x24;
const ASTERISK = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const LETTER_M = 0x6d;
const LETTER_P = 0x70;
const LETTER_S = 0x73;
const LETTER_U = 0x75;
/** "*3\r\n" */
const HEADER_BYTES = 4;

/** One message or reply. Reused: valid until the next `read`. */
export class Frame {
  type: FrameType = "unknown";
  kind: Kind = "channel";
  /** Of a message, or of a confirmation: the channel or pattern is bytes[nameStart, nameEnd). */
  nameStart = 0;
  nameEnd = 0;

  private bulkStart = 0;
  private bulkEnd = 0;

  /** @param bytes with one complete reply in bytes[start, end) */
  read(bytes: Buffer, start: number, end: number): void {
    const first = bytes[start];
    this.type = "unknown";
    if (first === ASTERISK) this.readArray(bytes, start, end);
    else if (first === MINUS) this.type = "error";
    else if (first === PLUS) this.type = "pong";
  }

  private readArray(bytes: Buffer, start: number, end: number): void {
    if (bytes[start + 2] !== CR || !this.readBulk(bytes, start + HEADER_BYTES, end)) return;
    const word = this.bulkStart;
    const length = this.bulkEnd - word;
    if (!this.readBulk(bytes, this.bulkEnd + 2, end)) return;
    this.nameStart = this.bulkStart;
    this.nameEnd = this.bulkEnd;
    this.readWord(bytes[word]!, length);
  }

  /** The first words differ in their length and first letter. */
  private readWord(letter: number, length: number): void {
    if (length === 4 && letter === LETTER_P) {
      this.type = "pong";
      return;
    }
    if (length === 7 && letter === LETTER_M) this.set("message", "channel");
    else if (length === 8 && letter === LETTER_P) this.set("message", "pattern");
    else if (length === 8 && letter === LETTER_S) this.set("message", "shard");
    else if (length === 9 && letter === LETTER_S) this.set("subscribed", "channel");
    else if (length === 10 && letter === LETTER_P) this.set("subscribed", "pattern");
    else if (length === 10 && letter === LETTER_S) this.set("subscribed", "shard");
    else if (length === 11 && letter === LETTER_U) this.set("unsubscribed", "channel");
    else if (length === 12 && letter === LETTER_P) this.set("unsubscribed", "pattern");
    else if (length === 12 && letter === LETTER_S) this.set("unsubscribed", "shard");
  }

  private set(type: FrameType, kind: Kind): void {
    this.type = type;
    this.kind = kind;
  }

  /** False: there is no string at `at`. */
  private readBulk(bytes: Buffer, at: number, end: number): boolean {
    if (bytes[at] !== DOLLAR) return false;
    let lineEnd = at + 1;
    while (lineEnd < end && bytes[lineEnd] !== CR) lineEnd++;
    const length = parseLength(bytes, at + 1, lineEnd);
    if (length < 0) return false;
    this.bulkStart = lineEnd + 2;
    this.bulkEnd = this.bulkStart + length;
    return this.bulkEnd <= end;
  }
}
