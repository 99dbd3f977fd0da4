/**
 * The memory that received bytes are copied to, which is used again and again.
 *
 * Fresh memory is dear: the kernel has to find, clear and map every page of it, which for large values took several times as long as all
 * that is done with them. So a buffer goes back when it was dealt with, or at the end of the turn: see ByteUse.
 *
 *   take, put ──▶ scanned, consumed ──▶ giveBack, returnPut ──▶ take, put
 */
import {
  BLOCK_BYTES_MIN,
  BLOCK_BYTES_POOLED_MAX,
  forgetBlock,
  releaseBlock,
  takeBlock,
} from "./block-pool.ts";
import { BORROWED, type ByteUse, COPIED } from "./byte-use.ts";
import { RECLAIM_CHUNK_MIN_BYTES } from "./limits.ts";
import { poison } from "./poison.ts";

const SLAB_BYTES: number = 64 * 1024;
/** A larger chunk gets a buffer of its own: what is kept of it does not hold a slab. */
export const SLAB_CHUNK_BYTES_MAX: number = SLAB_BYTES / 8;

const NONE: Buffer = Buffer.alloc(0);

/** One for each `Turn`, which ends it. */
export class ReceivedMemory {
  /** What the last `put` wrote to: small chunks lie one behind the other, so that many cost one allocation. */
  slab: Buffer = NONE;
  private used = 0;
  /** Chunks in the slab, and those of them that were given back. */
  private puts = 0;
  private returned = 0;
  private blocks: Buffer[] = [];
  private spareBlocks: Buffer[] = [];
  private chunks: Buffer[] = [];
  private spareChunks: Buffer[] = [];
  /** What `close` found: chunks in the slab, all of which were given back; -1: not all. */
  private freePuts = -1;

  /** Copies bytes[start, end), at most SLAB_CHUNK_BYTES_MAX. @returns where the copy begins in `this.slab` */
  put(bytes: Buffer, start: number, end: number): number {
    const length = end - start;
    if (this.used + length > this.slab.length) {
      // The full one is left to those that refer to it.
      this.slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.used = 0;
      this.puts = 0;
      this.returned = 0;
    }
    const at = this.used;
    bytes.copy(this.slab, at, start, end);
    this.used = at + length;
    this.puts++;
    return at;
  }

  /** A chunk that was put into `slab` is referred to no longer than until the end of the turn. */
  returnPut(slab: Buffer): void {
    if (slab === this.slab) this.returned++;
  }

  /** Room for `size` bytes, contents undefined. */
  take(size: number): Buffer {
    // A few bytes are no burden, and must not take a whole block.
    const isPooled = size >= BLOCK_BYTES_MIN && size <= BLOCK_BYTES_POOLED_MAX;
    return isPooled ? takeBlock(size) : Buffer.allocUnsafeSlow(size);
  }

  /** Nothing is received into a buffer of `take` any more. @param use of what was in it; that which is kept stays with those that refer to it */
  giveBack(block: Buffer, use: ByteUse): void {
    if (block.length < BLOCK_BYTES_MIN || block.length > BLOCK_BYTES_POOLED_MAX) return;
    if (use === COPIED) releaseBlock(block);
    else if (use === BORROWED) this.blocks.push(block);
    else forgetBlock(block);
  }

  /** The same of a chunk as an engine has allocated it, which is not kept. A small one is left to the collector. */
  giveChunk(chunk: Buffer, use: ByteUse): void {
    if (chunk.length < RECLAIM_CHUNK_MIN_BYTES) return;
    if (use === COPIED) freeChunk(chunk);
    else this.chunks.push(chunk);
  }

  /** The turn ends: what was given back up to here is referred to until `recycle`, which follows, and what comes after this for a turn longer. */
  close(): void {
    this.freePuts = this.puts === this.returned ? this.puts : -1;
    const { blocks, chunks } = this;
    this.blocks = this.spareBlocks;
    this.spareBlocks = blocks;
    this.chunks = this.spareChunks;
    this.spareChunks = chunks;
  }

  /** Nothing refers any more to what had been given back at `close`. */
  recycle(): void {
    if (this.freePuts === this.puts && this.puts > 0) {
      if (poison !== null) poison(this.slab, this.used);
      this.used = 0;
      this.puts = 0;
      this.returned = 0;
    }
    const { spareBlocks, spareChunks } = this;
    for (let i = 0; i < spareBlocks.length; i++) releaseBlock(spareBlocks[i]!);
    spareBlocks.length = 0;
    for (let i = 0; i < spareChunks.length; i++) freeChunk(spareChunks[i]!);
    spareChunks.length = 0;
  }
}

/** Takes its memory away: the collector would find it much later, and meanwhile chunks would come in fresh memory. */
function freeChunk(chunk: Buffer): void {
  (chunk.buffer as ArrayBuffer).transfer(0);
}
