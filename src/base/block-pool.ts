/**
 * Reusable buffers in a few sizes, so that an idle connection holds none and a busy one allocates none.
 *
 * Last in, first out: what was just written is still in the processor's cache. Each size keeps a bounded number;
 * more are left to the garbage collector.
 */
const KIB = 1024;
const SIZES: readonly number[] = [1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB];
const KEPT_MAX: readonly number[] = [1024, 512, 256, 64, 8];

/** The largest pooled block; longer byte sequences are made of several. */
export const BLOCK_BYTES_MAX: number = 256 * KIB;

const kept: Buffer[][] = SIZES.map(() => []);

/** A buffer of at least `size` bytes (at most BLOCK_BYTES_MAX), contents undefined. Give it back with `releaseBlock`. */
export function takeBlock(size: number): Buffer {
  let index = 0;
  while (SIZES[index]! < size) index++;
  return kept[index]!.pop() ?? Buffer.allocUnsafeSlow(SIZES[index]!);
}

/** Only for buffers from `takeBlock`, once, when nobody refers to their bytes any more. */
export function releaseBlock(block: Buffer): void {
  const index = SIZES.indexOf(block.length);
  const list = kept[index]!;
  if (list.length < KEPT_MAX[index]!) list.push(block);
}
