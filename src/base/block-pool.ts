/**
 * Reusable buffers in a few sizes, so that an idle connection holds none and a busy one allocates none.
 *
 * Last in, first out: what was just written is still in the processor's cache. Each size keeps a bounded number, and
 * `trimBlocks` lets go of those that have not been needed for a while.
 */
import { noteGarbageOf } from "./garbage.ts";
import { poison } from "./poison.ts";

const KIB = 1024;

/** The smallest pooled block. */
export const BLOCK_BYTES_MIN: number = 1 * KIB;
/** The largest block that a byte sequence is made of which may as well be made of several. */
export const BLOCK_BYTES_MAX: number = 256 * KIB;
/** The largest one. */
export const BLOCK_BYTES_POOLED_MAX: number = 2048 * KIB;

/** By index: blocks of 1, 2, 4 … 2,048 KiB; 56 MiB in all. */
const KEPT_MAX: readonly number[] = [1024, 512, 256, 128, 128, 64, 64, 64, 64, 8, 8, 4];
/** 31 - clz32(BLOCK_BYTES_MIN). */
const SHIFT = 10;

const kept: Buffer[][] = KEPT_MAX.map(() => []);
/** By index: the fewest blocks that were kept at any time since the last `trimBlocks`. So many were not needed. */
const spare: number[] = KEPT_MAX.map(() => 0);

let outstanding = 0;

/** A buffer of at least `size` bytes (at most BLOCK_BYTES_POOLED_MAX), contents undefined. Give it back with `releaseBlock`. */
export function takeBlock(size: number): Buffer {
  const index = size <= BLOCK_BYTES_MIN ? 0 : 32 - Math.clz32(size - 1) - SHIFT;
  const length = BLOCK_BYTES_MIN << index;
  outstanding += length;
  const list = kept[index]!;
  const block = list.pop();
  if (block === undefined) return Buffer.allocUnsafeSlow(length);
  if (list.length < spare[index]!) spare[index] = list.length;
  return block;
}

/** Only for buffers from `takeBlock`, once, when nothing refers to their bytes any more. */
export function releaseBlock(block: Buffer): void {
  const { length } = block;
  if (poison !== null) poison(block, length);
  outstanding -= length;
  const index = 31 - Math.clz32(length) - SHIFT;
  const list = kept[index]!;
  if (list.length < KEPT_MAX[index]!) list.push(block);
  else noteGarbageOf(length);
}

/** In place of `releaseBlock`, when something goes on referring to its bytes. */
export function forgetBlock(block: Buffer): void {
  outstanding -= block.length;
}

/** Lets go of the blocks that no call of `takeBlock` has needed since the last call of this. */
export function trimBlocks(): void {
  for (let index = 0; index < kept.length; index++) {
    const list = kept[index]!;
    const unused = Math.min(spare[index]!, list.length);
    // The oldest lie at the bottom.
    list.splice(0, unused);
    noteGarbageOf(unused * (BLOCK_BYTES_MIN << index));
    spare[index] = list.length;
  }
}

/** Bytes of all blocks that were taken and not given back. */
export function outstandingBlockBytes(): number {
  return outstanding;
}

/** Bytes of all blocks that are kept for the next `takeBlock`. */
export function keptBlockBytes(): number {
  return kept.reduce((sum, list, index) => sum + list.length * (BLOCK_BYTES_MIN << index), 0);
}
