/** What replies tell of the size of keys, for `proxy bigkeys`. */
import type { KeySize, ReplyReader } from "../../../api/protocol-module.ts";
import { REPLY_MAGIC } from "../codec/binary/opcode.ts";
import { BinaryReplyScanner } from "../codec/binary/reply-scanner.ts";
import { TextReplyScanner } from "../codec/text/reply-scanner.ts";

const LF = 10;
/** VALUE, a key, flags, a size, and the number for `cas`. */
const LINE_BYTES_MAX = 512;

const text: TextReplyScanner = new TextReplyScanner();
const binary: BinaryReplyScanner = new BinaryReplyScanner();

export const memcacheReplyReader: ReplyReader = {
  endOf(bytes, start, end) {
    const scanner = bytes[start] === REPLY_MAGIC ? binary : text;
    scanner.reset();
    return Math.max(scanner.scan(bytes, start, end), 0);
  },

  largestKey(request, bytes, start, end) {
    const [key] = request.keys;
    if (bytes[start] !== REPLY_MAGIC && request.keys.length > 1)
      return largestOf(bytes, start, end);
    if (key === undefined || request.keys.length > 1) return null;
    return { key, bytes: end - start, elements: null };
  },
};

/** Of the blocks in a reply to a get of several keys. */
function largestOf(bytes: Buffer, start: number, end: number): KeySize | null {
  let largest: KeySize | null = null;
  for (let at = start; at < end; ) {
    const lineEnd = bytes.indexOf(LF, at);
    if (lineEnd < 0 || lineEnd - at > LINE_BYTES_MAX) break;
    const [word, key = "", , size] = bytes.toString("latin1", at, lineEnd).trim().split(" ");
    if (word !== "VALUE" || size === undefined) break;
    const next = lineEnd + 1 + Number(size) + 2;
    if (next - at > (largest?.bytes ?? 0)) {
      largest = { key: Buffer.from(key, "latin1"), bytes: next - at, elements: null };
    }
    at = next;
  }
  return largest;
}
