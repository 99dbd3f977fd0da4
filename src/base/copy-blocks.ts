/**
 * Memory for copies of replies that came before their turn, or before the other parts of their reply: most live for a moment only, and
 * fresh memory for each would cost more than all else that is done with them.
 */
import { releaseBlock, takeBlock } from "./block-pool.ts";
import { noteGarbage } from "./garbage.ts";

/** Larger ones are left to the collector: a byte queue may keep what lies in them by reference (KEEP_BY_REFERENCE_MIN_BYTES). */
const POOLED_BYTES_MAX = 1024 * 1024;

/** At least `size` bytes, contents undefined. Give it back with `releaseCopyBlock`; its `length` is what it takes. */
export function takeCopyBlock(size: number): Buffer {
  return size <= POOLED_BYTES_MAX ? takeBlock(size) : Buffer.allocUnsafeSlow(size);
}

/** Only for buffers from `takeCopyBlock`, once, when what lies in them was written or copied. */
export function releaseCopyBlock(block: Buffer): void {
  if (block.length <= POOLED_BYTES_MAX) releaseBlock(block);
  else noteGarbage(block.length);
}
