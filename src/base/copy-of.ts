import { noteKept } from "./byte-use.ts";
import { KEEP_BY_REFERENCE_MIN_BYTES } from "./limits.ts";

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

/**
 * bytes[start, end), to be kept while the bytes never change: by reference when it is large and most of them, else as a copy,
 * so that a few bytes do not pin many.
 */
export function keptRange(bytes: Buffer, start: number, end: number): Buffer {
  if (!isWorthKeeping(bytes, start, end)) return copyOf(bytes, start, end);
  noteKept();
  return bytes.subarray(start, end);
}

/** Whether bytes[start, end) had better be kept by reference than copied. */
export function isWorthKeeping(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  return length >= KEEP_BY_REFERENCE_MIN_BYTES && length * 2 >= bytes.length;
}
