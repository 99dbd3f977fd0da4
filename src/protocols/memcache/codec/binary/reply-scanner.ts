/**
 * Finds where a server's reply ends: behind the body that its header announces, and for STAT behind the empty reply
 * that ends the list of statistics.
 */
import {
  INCOMPLETE,
  KIND,
  NO_PUSH,
  type ReplyKind,
  type ReplyScanner,
} from "../../../../api/protocol.ts";
import {
  MEMCACHE_KEY_BYTES_MAX,
  MEMCACHE_STATISTICS_BYTES_MAX,
  MEMCACHE_VALUE_BYTES_MAX,
} from "../../../../base/limits.ts";
import {
  AT_BODY_LENGTH,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  AT_OPAQUE,
  AT_OPCODE,
  AT_STATUS,
  HEADER_BYTES,
  OPCODE,
  REPLY_MAGIC,
} from "./opcode.ts";
import { readUint16, readUint32 } from "./read-number.ts";
import { errorOfStatus, STATUS } from "./status.ts";

const GARBAGE = -1;
/** Of a hash, as many as a number holds. */
const LOW_BITS = 0x1f_ffff_ffff_ffffn;
const ERROR_BYTES: Uint8Array = new Uint8Array(256);
ERROR_BYTES[REPLY_MAGIC] = 1;
/** A value with its flags and its key. */
const BODY_BYTES_MAX = MEMCACHE_VALUE_BYTES_MAX + MEMCACHE_KEY_BYTES_MAX + 255;

export class BinaryReplyScanner implements ReplyScanner {
  need = 0;
  readonly pushType: number = NO_PUSH;
  readonly identifiesRequests = true;
  readonly parts = 0;
  readonly errorBytes: Uint8Array = ERROR_BYTES;
  /** Where the next of several replies to one STAT begins, relative to the start of the first. */
  private offset = 0;

  scan(bytes: Buffer, start: number, end: number): number {
    let at = start + this.offset;
    for (;;) {
      if (end - at < HEADER_BYTES) return this.incomplete(start, at, at + HEADER_BYTES);
      const keyLength = readUint16(bytes, at + AT_KEY_LENGTH);
      const bodyLength = readUint32(bytes, at + AT_BODY_LENGTH);
      if (
        bytes[at] !== REPLY_MAGIC ||
        bodyLength > BODY_BYTES_MAX ||
        keyLength + bytes[at + AT_EXTRAS_LENGTH]! > bodyLength
      ) {
        return GARBAGE;
      }
      const next = at + HEADER_BYTES + bodyLength;
      if (next > end) return this.incomplete(start, at, next);
      const isStatistic =
        bytes[at + AT_OPCODE] === OPCODE.stat &&
        keyLength > 0 &&
        readUint16(bytes, at + AT_STATUS) === 0;
      if (!isStatistic) {
        this.offset = 0;
        return next;
      }
      if (next - start > MEMCACHE_STATISTICS_BYTES_MAX) return GARBAGE;
      at = next;
    }
  }

  kindOf(bytes: Buffer, start: number): ReplyKind {
    const status = readUint16(bytes, start + AT_STATUS);
    if (status === STATUS.ok) return KIND.value;
    return status === STATUS.notFound ? KIND.miss : KIND.error;
  }

  errorOf(bytes: Buffer, start: number): number {
    const status = readUint16(bytes, start + AT_STATUS);
    if (status === STATUS.ok) return -1;
    return errorOfStatus(status);
  }

  /** Opaques are the proxy's own, and each server counts its versions of a value for itself. */
  digestOf(bytes: Buffer, start: number, end: number): number {
    let digest = 0n;
    for (let at = start; at + HEADER_BYTES <= end; ) {
      const next = at + HEADER_BYTES + readUint32(bytes, at + AT_BODY_LENGTH);
      digest = Bun.hash.wyhash(bytes.subarray(at, at + AT_OPAQUE), digest);
      digest = Bun.hash.wyhash(bytes.subarray(at + HEADER_BYTES, Math.min(next, end)), digest);
      at = next;
    }
    return Number(digest & LOW_BITS);
  }

  reset(): void {
    this.offset = 0;
    this.need = 0;
  }

  private incomplete(start: number, at: number, next: number): typeof INCOMPLETE {
    this.offset = at - start;
    this.need = next - start;
    return INCOMPLETE;
  }
}
