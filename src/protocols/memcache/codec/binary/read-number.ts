/** Big-endian numbers of a header. Plain reads and writes: they compile to less than Buffer's, which check their arguments. */

/** The 32-bit number at `at`, unsigned. */
export function readUint32(bytes: Buffer, at: number): number {
  const high = bytes[at]! * 0x1000000;
  return high + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

/** The 16-bit number at `at`. */
export function readUint16(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Writes the unsigned 32-bit `value` at `at`. */
export function writeUint32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
