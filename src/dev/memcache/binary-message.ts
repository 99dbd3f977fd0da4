/** Messages of memcached's binary protocol: a header of 24 bytes, extras, key, value. */

export const HEADER_BYTES = 24;
export const REQUEST_MAGIC = 0x80;
const REPLY_MAGIC = 0x81;

export const STATUS = {
  ok: 0,
  notFound: 1,
  exists: 2,
  tooLarge: 3,
  invalid: 4,
  notStored: 5,
  notNumeric: 6,
  unknownCommand: 0x81,
} as const;

/** What memcached writes into the body of an error reply. */
const ERROR_TEXTS: Readonly<Record<number, string>> = {
  [STATUS.notFound]: "Not found",
  [STATUS.exists]: "Data exists for key.",
  [STATUS.tooLarge]: "Too large.",
  [STATUS.invalid]: "Invalid arguments",
  [STATUS.notStored]: "Not stored.",
  [STATUS.notNumeric]: "Non-numeric server-side value for incr or decr",
  [STATUS.unknownCommand]: "Unknown command",
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
  header[1] = request.opcode;
  header.writeUInt16BE(key.length, 2);
  header[4] = extras.length;
  header.writeUInt16BE(status, 6);
  header.writeUInt32BE(extras.length + key.length + value.length, 8);
  header.writeUInt32BE(request.opaque, 12);
  header.writeBigUInt64BE(BigInt(cas), 16);
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
