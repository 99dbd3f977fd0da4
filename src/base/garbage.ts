/**
 * How many bytes of large buffers were let go after they had been held for a while.
 *
 * The collector that runs by itself is started by allocation, and looks at young objects for the most part. A buffer that
 * was held over several turns counts as old by then: it stays in memory until a full collection, which ordinary traffic
 * never starts. The process that owns this memory counts such bytes here and asks for a collection when they are many.
 */
import { LARGE_BUFFER_MIN_BYTES } from "./limits.ts";

let bytes = 0;

/** A buffer of `length` bytes, held for longer than a turn, is referred to no more. Small ones do not count. */
export function noteGarbage(length: number): void {
  if (length >= LARGE_BUFFER_MIN_BYTES) bytes += length;
}

/** Like `noteGarbage`, for several buffers together. */
export function noteGarbageOf(length: number): void {
  bytes += length;
}

/** Bytes that were noted since `forgetGarbage`. */
export function garbageBytes(): number {
  return bytes;
}

/** To be called after a full collection. */
export function forgetGarbage(): void {
  bytes = 0;
}
