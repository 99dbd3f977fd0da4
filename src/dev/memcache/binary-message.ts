/** Messages of memcached's binary protocol: a header, extras, key, value. */
import {
  AT_BODY_LENGTH,
  AT_CAS,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  AT_OPAQUE,
  AT_OPCODE,
  AT_STATUS,
  HEADER_BYTES,
  REPLY_MAGIC,
} from "../../protocols/memcache/codec/binary/opcode.ts";
import {
  INVALID_ARGUMENTS_TEXT,
  NOT_FOUND_TEXT,
  STATUS,
  TOO_LARGE_TEXT,
  UNKNOWN_COMMAND_TEXT,
} from "../../protocols/memcache/codec/binary/status.ts";

/** What memcached writes into the body of an error reply. */
const ERROR_TEXTS: Readonly<Record<number, string>> = {
  [STATUS.notFound]: NOT_FOUND_TEXT,
  [STATUS.exists]: "Data exists for key.",
  [STATUS.tooLarge]: TOO_LARGE_TEXT,
  [STATUS.invalidArguments]: INVALID_ARGUMENTS_TEXT,
  [STATUS.notStored]: "Not stored.",
  [STATUS.notNumeric]: "Non-numeric server-side value for incr or decr",
  [STATUS.unknownCommand]: UNKNOWN_COMMAND_TEXT,
};

export interface BinaryRequest {
  readonly opcode: number;
  readonly opaque: number;
  readonly cas: bigint;
  readonly extras: Buffer;
  readonly key: string;
  readonly value: string;
}

export interface BinaryReply {
  readonly status?: number;
  readonly extras?: string;
  readonly key?: string;
  readonly value?: string;
  readonly cas?: number;
}

/** The reply to `request` as a byte string. */
export function encodeReply(request: BinaryRequest, reply: BinaryReply): string {
  const { status = STATUS.ok, extras = "", key = "", value = "", cas = 0 } = reply;
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = REPLY_MAGIC;
  header[AT_OPCODE] = request.opcode;
  header.writeUInt16BE(key.length, AT_KEY_LENGTH);
  header[AT_EXTRAS_LENGTH] = extras.length;
  header.writeUInt16BE(status, AT_STATUS);
  header.writeUInt32BE(extras.length + key.length + value.length, AT_BODY_LENGTH);
  header.writeUInt32BE(request.opaque, AT_OPAQUE);
  header.writeBigUInt64BE(BigInt(cas), AT_CAS);
  return header.toString("latin1") + extras + key + value;
}

export function encodeError(request: BinaryRequest, status: number): string {
  return encodeReply(request, { status, value: ERROR_TEXTS[status] ?? "" });
}

/** Four bytes, most significant first. */
export function uint32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("latin1");
}

/** Eight bytes, most significant first. */
export function uint64(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes.toString("latin1");
}
