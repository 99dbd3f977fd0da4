/** The binary protocol: cuts requests and runs them. */
import { MEMCACHE_KEY_BYTES_MAX } from "../../base/limits.ts";
import {
  AT_BODY_LENGTH,
  AT_CAS,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  AT_OPAQUE,
  AT_OPCODE,
  HEADER_BYTES,
  OPCODE,
  REQUEST_MAGIC,
} from "../../protocols/memcache/codec/binary/opcode.ts";
import { readUint16, readUint32 } from "../../protocols/memcache/codec/binary/read-number.ts";
import { STATUS } from "../../protocols/memcache/codec/binary/status.ts";
import { BINARY_COMMANDS, runBinary, statReplies } from "./binary-commands.ts";
import { type BinaryRequest, encodeError, encodeReply } from "./binary-message.ts";
import type { Shard } from "./shard.ts";
import { NEED_MORE, type Step } from "./text-speaker.ts";

/** They do not answer with one reply. */
const OWN: ReadonlySet<number> = new Set([OPCODE.quit, OPCODE.stat, OPCODE.quitQuiet]);

export function binaryStep(shard: Shard, bytes: Buffer): Step {
  if (bytes.length > 0 && bytes[0] !== REQUEST_MAGIC) return { ...NEED_MORE, isLast: true };
  if (bytes.length < HEADER_BYTES) return NEED_MORE;
  const keyBytes = readUint16(bytes, AT_KEY_LENGTH);
  const extrasBytes = bytes[AT_EXTRAS_LENGTH] ?? 0;
  const bodyBytes = readUint32(bytes, AT_BODY_LENGTH);
  const consumed = HEADER_BYTES + bodyBytes;
  const head = headOf(bytes);
  const refuse = (status: number, isLast: boolean): Step => {
    return { consumed, reply: encodeError(head, status), isLast };
  };
  if (keyBytes + extrasBytes > bodyBytes) return refuse(STATUS.unknownCommand, true);
  if (keyBytes > MEMCACHE_KEY_BYTES_MAX) return refuse(STATUS.invalidArguments, true);
  const valueBytes = bodyBytes - keyBytes - extrasBytes;
  const row = BINARY_COMMANDS.get(head.opcode);
  const isShaped =
    row === undefined ||
    (row.extras.includes(extrasBytes) &&
      keyBytes > 0 === row.hasKey &&
      (valueBytes === 0 || row.hasValue));
  if (!isShaped) return refuse(STATUS.invalidArguments, true);
  const keyStart = HEADER_BYTES + extrasBytes;
  if (row?.hasValue === true) {
    const key = bytes.toString("latin1", keyStart, Math.min(bytes.length, keyStart + keyBytes));
    // Nothing larger than an item is ever waited for: the rest is skipped as it comes.
    if (!shard.store.fits(key, valueBytes, 0)) {
      shard.store.delete(key);
      return refuse(STATUS.tooLarge, false);
    }
  }
  const isKnown = row !== undefined || OWN.has(head.opcode);
  if (!isKnown) return refuse(STATUS.unknownCommand, false);
  if (bytes.length < consumed) return NEED_MORE;
  const request: BinaryRequest = {
    ...head,
    extras: bytes.subarray(HEADER_BYTES, keyStart),
    key: bytes.toString("latin1", keyStart, keyStart + keyBytes),
    value: bytes.toString("latin1", keyStart + keyBytes, consumed),
  };
  if (row !== undefined) return { consumed, reply: runBinary(shard, row, request), isLast: false };
  if (head.opcode === OPCODE.stat) {
    return { consumed, reply: statReplies(shard, request), isLast: false };
  }
  const reply = head.opcode === OPCODE.quit ? encodeReply(request, {}) : "";
  return { consumed, reply, isLast: true };
}

function headOf(bytes: Buffer): BinaryRequest {
  return {
    opcode: bytes[AT_OPCODE] ?? 0,
    opaque: readUint32(bytes, AT_OPAQUE),
    cas: bytes.readBigUInt64BE(AT_CAS),
    extras: Buffer.alloc(0),
    key: "",
    value: "",
  };
}
