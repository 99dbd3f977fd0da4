/** The binary protocol: cuts requests and runs them. */
import { BINARY_COMMANDS, runBinary, statReplies } from "./binary-commands.ts";
import {
  type BinaryRequest,
  encodeError,
  encodeReply,
  HEADER_BYTES,
  REQUEST_MAGIC,
  STATUS,
} from "./binary-message.ts";
import type { Shard } from "./shard.ts";
import { KEY_BYTES_MAX } from "./text-command.ts";
import { NEED_MORE, type Step } from "./text-speaker.ts";

const QUIT = 0x07;
const STAT = 0x10;
const QUITQ = 0x17;

export function binaryStep(shard: Shard, bytes: Buffer): Step {
  if (bytes.length > 0 && bytes[0] !== REQUEST_MAGIC) return { ...NEED_MORE, isLast: true };
  if (bytes.length < HEADER_BYTES) return NEED_MORE;
  const keyBytes = bytes.readUInt16BE(2);
  const extrasBytes = bytes[4] ?? 0;
  const bodyBytes = bytes.readUInt32BE(8);
  const consumed = HEADER_BYTES + bodyBytes;
  const head = headOf(bytes);
  const refuse = (status: number, isLast: boolean): Step => {
    return { consumed, reply: encodeError(head, status), isLast };
  };
  if (keyBytes + extrasBytes > bodyBytes) return refuse(STATUS.unknownCommand, true);
  if (keyBytes > KEY_BYTES_MAX) return refuse(STATUS.invalid, true);
  const valueBytes = bodyBytes - keyBytes - extrasBytes;
  const row = BINARY_COMMANDS.get(head.opcode);
  const isShaped =
    row === undefined ||
    (row.extras.includes(extrasBytes) &&
      keyBytes > 0 === row.hasKey &&
      (valueBytes === 0 || row.hasValue));
  if (!isShaped) return refuse(STATUS.invalid, true);
  const keyStart = HEADER_BYTES + extrasBytes;
  if (row?.hasValue === true) {
    const key = bytes.toString("latin1", keyStart, Math.min(bytes.length, keyStart + keyBytes));
    // Nothing larger than an item is ever waited for: the rest is skipped as it comes.
    if (!shard.store.fits(key, valueBytes, 0)) {
      shard.store.delete(key);
      return refuse(STATUS.tooLarge, false);
    }
  }
  const isKnown = row !== undefined || [QUIT, STAT, QUITQ].includes(head.opcode);
  if (!isKnown) return refuse(STATUS.unknownCommand, false);
  if (bytes.length < consumed) return NEED_MORE;
  const request: BinaryRequest = {
    ...head,
    extras: bytes.subarray(HEADER_BYTES, keyStart),
    key: bytes.toString("latin1", keyStart, keyStart + keyBytes),
    value: bytes.toString("latin1", keyStart + keyBytes, consumed),
  };
  if (row !== undefined) return { consumed, reply: runBinary(shard, row, request), isLast: false };
  if (head.opcode === STAT) {
    return { consumed, reply: statReplies(shard, request), isLast: false };
  }
  const reply = head.opcode === QUIT ? encodeReply(request, {}) : "";
  return { consumed, reply, isLast: true };
}

function headOf(bytes: Buffer): BinaryRequest {
  return {
    opcode: bytes[1] ?? 0,
    opaque: bytes.readUInt32BE(12),
    cas: bytes.readBigUInt64BE(16),
    extras: Buffer.alloc(0),
    key: "",
    value: "",
  };
}
