/** The binary replies that the proxy itself authors. */
import {
  AT_BODY_LENGTH,
  AT_CAS,
  AT_DATA_TYPE,
  AT_KEY_LENGTH,
  AT_OPAQUE,
  AT_OPCODE,
  AT_STATUS,
  HEADER_BYTES,
  OPCODE,
  REPLY_MAGIC,
} from "./opcode.ts";

/** A reply without key and extras; `text` is latin1. */
export function encodeReply(opcode: number, status: number, opaque: number, text: string): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES + text.length);
  writeHeader(reply, 0, opcode, opaque);
  reply.writeUInt16BE(status, AT_STATUS);
  reply.writeUInt32BE(text.length, AT_BODY_LENGTH);
  reply.write(text, HEADER_BYTES, "latin1");
  return reply;
}

/** All replies to one STAT: a reply for each statistic (latin1), and an empty one that ends them. */
export function encodeStatistics(
  statistics: readonly (readonly [name: string, value: string])[],
  opaque: number,
): Buffer {
  let size = HEADER_BYTES;
  for (const [name, value] of statistics) size += HEADER_BYTES + name.length + value.length;
  const replies = Buffer.alloc(size);
  let at = 0;
  for (const [name, value] of statistics) {
    writeHeader(replies, at, OPCODE.stat, opaque);
    replies.writeUInt16BE(name.length, at + AT_KEY_LENGTH);
    replies.writeUInt32BE(name.length + value.length, at + AT_BODY_LENGTH);
    at += HEADER_BYTES;
    at += replies.write(name, at, "latin1");
    at += replies.write(value, at, "latin1");
  }
  writeHeader(replies, at, OPCODE.stat, opaque);
  return replies;
}

/** Turns the request without a body at `start` into its successful reply: they differ in a few bytes of the header. */
export function turnIntoReply(bytes: Buffer, start: number): void {
  bytes[start] = REPLY_MAGIC;
  bytes[start + AT_DATA_TYPE] = 0;
  bytes[start + AT_STATUS] = 0;
  bytes[start + AT_STATUS + 1] = 0;
  bytes.fill(0, start + AT_CAS, start + HEADER_BYTES);
}

/** The bytes at `at` are zero so far. */
function writeHeader(bytes: Buffer, at: number, opcode: number, opaque: number): void {
  bytes[at] = REPLY_MAGIC;
  bytes[at + AT_OPCODE] = opcode;
  bytes.writeUInt32BE(opaque, at + AT_OPAQUE);
}
