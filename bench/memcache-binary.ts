/** The little of memcached's binary protocol that the benchmark speaks; texts are latin1, a character for a byte. */

export const BINARY_HEADER_BYTES = 24;
/** Where the version number of a value is in a header: the last eight bytes. */
export const BINARY_CAS_AT = 16;
/** The first bytes of a reply to GET: magic, opcode, no key, four bytes of extras, no data type, status 0. */
export const BINARY_VALUE_START = "\x81\x00\x00\x00\x04\x00\x00\x00";
const FLAGS_BYTES = 4;

export function binaryGet(key: string): string {
  const header = Buffer.alloc(BINARY_HEADER_BYTES);
  header[0] = 0x80;
  header.writeUInt16BE(key.length, 2);
  header.writeUInt32BE(key.length, 8);
  return header.toString("latin1") + key;
}

/** The reply to GET of a value with flags 0, its version number left 0. */
export function binaryValue(value: string): string {
  const rest = Buffer.alloc(BINARY_HEADER_BYTES - BINARY_VALUE_START.length + FLAGS_BYTES);
  rest.writeUInt32BE(FLAGS_BYTES + value.length, 0);
  return BINARY_VALUE_START + rest.toString("latin1") + value;
}
