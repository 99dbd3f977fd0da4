/**
 * A copy of bytes[start, end) that is the caller's to keep.
 *
 * The only way that the data plane keeps borrowed bytes: `Buffer.slice` would alias, `Uint8Array.slice` would
 * copy, and at run time one cannot tell which of them a value is.
 */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}
