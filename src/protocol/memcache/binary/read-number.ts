/** Big-endian numbers of a header. Plain reads: they compile to less than Buffer's, which check their arguments. */

/** The 32-bit number at `at`, unsigned. */
export function readUint32(bytes: Buffer, at: number): number {
  const high = bytes[at]! * 0x1000000;
  return high + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

/** The 16-bit number at `at`. */
export function readUint16(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
