/**
 * Bytes that wait to be written to one socket.
 *
 *   front block (pooled, grows up to 256 KiB)         later blocks
 *   | written | head … waiting … tail | free |   →   | kept by reference |   | pooled | …
 *
 * Small ranges are copied. A large one can be queued by reference: 512 MB then pass without a copy.
 *
 * A later block is about as large as what is put into it, and grows with what follows: five bytes behind a range that is kept
 * by reference take 1 KiB. What is left of a block when the kernel is full moves to a smaller one if it fits.
 */
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, releaseBlock, takeBlock } from "./block-pool.ts";
import { noteKept } from "./byte-use.ts";
import { isWorthKeeping } from "./copy-of.ts";
import { noteGarbage } from "./garbage.ts";
import { LARGE_BUFFER_MIN_BYTES } from "./limits.ts";

/** What the queue needs of a stream: see Stream.write in src/api. */
export interface ByteWriter {
  write(bytes: Buffer, start: number, length: number): number;
}

/** How `writeTo` ended. */
export const WRITTEN = 0;
/** The kernel is full: call again on drain. */
export const BLOCKED = 1;
/** The connection is gone. */
export const GONE = 2;

interface Block {
  readonly bytes: Buffer;
  head: number;
  tail: number;
  readonly isPooled: boolean;
}

const NONE: Buffer = Buffer.alloc(0);

export class ByteQueue {
  /** Bytes that wait. */
  size = 0;
  /** Bytes of memory that this takes: all blocks in full, and all buffers that ranges are kept of. */
  held = 0;
  /** Bytes ever appended; with `size` it says how far writing has come. */
  appended = 0;

  private bytes: Buffer = NONE;
  private head = 0;
  private tail = 0;
  private isPooled = false;
  private later: Block[] = [];
  /** Size of block that the last burst needed: saves the next one from growing step by step. */
  private expected = 0;
  /** Bytes of the pooled blocks behind the last kept range: the next block's size follows it. */
  private run = 0;
  /** The kernel was full at the last `writeTo`: what waits is held for longer than a turn. */
  private isBlocked = false;

  /** Copies bytes[start, end). */
  append(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    this.size += length;
    this.appended += length;
    if (this.later.length === 0 && this.isPooled && this.bytes.length - this.tail >= length) {
      bytes.copy(this.bytes, this.tail, start, end);
      this.tail += length;
      return;
    }
    this.appendSlowly(bytes, start, end);
  }

  /**
   * Queues bytes[start, end) without a copy when that is worth it. The caller must never change the buffer again.
   * A range that would pin more than twice its size is copied all the same.
   */
  appendKept(bytes: Buffer, start: number, end: number): void {
    if (!isWorthKeeping(bytes, start, end)) {
      this.append(bytes, start, end);
      return;
    }
    noteKept();
    const length = end - start;
    this.size += length;
    this.appended += length;
    if (this.size === length) {
      this.releaseFront();
      this.setFront(bytes, start, end, false);
    } else {
      this.later.push({ bytes, head: start, tail: end, isPooled: false });
      this.held += bytes.length;
      this.run = 0;
    }
  }

  /**
   * Room for `length` bytes in one piece, for a caller that fills it at once: `reserved` is the buffer, the result the
   * offset to write at. All of it counts as appended. -1: no such room (too large, or a queue of several blocks).
   */
  reserve(length: number): number {
    if (this.later.length > 0 || (this.size > 0 && !this.isPooled)) return -1;
    if (this.bytes.length - this.tail < length) {
      if (length > BLOCK_BYTES_MAX - (this.tail - this.head)) return -1;
      this.roomFor(length);
      if (this.later.length > 0 || this.bytes.length - this.tail < length) return -1;
    }
    const offset = this.tail;
    this.tail += length;
    this.size += length;
    this.appended += length;
    return offset;
  }

  /** The buffer that the last `reserve` pointed into. Borrowed until the next call of anything here. */
  get reserved(): Buffer {
    return this.bytes;
  }

  /** Writes what it can: WRITTEN (nothing is left), BLOCKED or GONE. */
  writeTo(writer: ByteWriter): typeof WRITTEN | typeof BLOCKED | typeof GONE {
    while (this.size > 0) {
      const length = this.tail - this.head;
      const taken = writer.write(this.bytes, this.head, length);
      if (taken < 0) return GONE;
      this.size -= taken;
      this.head += taken;
      if (taken < length) {
        this.isBlocked = true;
        this.shrinkFront();
        return BLOCKED;
      }
      this.nextBlock();
    }
    this.isBlocked = false;
    return WRITTEN;
  }

  /** Forgets everything. */
  clear(): void {
    this.isBlocked = true;
    this.releaseFront();
    for (const block of this.later) this.release(block.bytes, block.isPooled);
    if (this.later.length > 0) this.later = [];
    this.size = 0;
    this.isBlocked = false;
  }

  /** Takes `length` bytes out that wait behind the first `from`. All others are copied: for what is rare. */
  cut(from: number, length: number): void {
    const { appended, isBlocked } = this;
    const all = this.toBuffer();
    this.clear();
    this.append(all, 0, from);
    this.append(all, from + length, all.length);
    this.appended = appended;
    this.isBlocked = isBlocked;
  }

  /** A copy of all waiting bytes, for hand-over to another process. */
  toBuffer(): Buffer {
    const parts = [this.bytes.subarray(this.head, this.tail)];
    for (const block of this.later) parts.push(block.bytes.subarray(block.head, block.tail));
    return Buffer.concat(parts);
  }

  private appendSlowly(bytes: Buffer, start: number, end: number): void {
    let from = start;
    while (from < end) {
      const free = this.roomFor(end - from);
      const to = Math.min(end, from + free);
      const last = this.later.at(-1);
      if (last === undefined) {
        bytes.copy(this.bytes, this.tail, from, to);
        this.tail += to - from;
      } else {
        bytes.copy(last.bytes, last.tail, from, to);
        last.tail += to - from;
      }
      from = to;
    }
  }

  /** Makes the last block one with room, and says how many bytes it can take (at least 1, aims at `wanted`). */
  private roomFor(wanted: number): number {
    const last = this.later.at(-1);
    if (last !== undefined) {
      const free = last.isPooled ? last.bytes.length - last.tail : 0;
      if (free > 0) return free;
      return this.addBlock(wanted);
    }
    if (!this.isPooled) {
      if (this.head < this.tail) return this.addBlock(wanted);
      this.releaseFront();
      this.setFront(takeBlock(clampBlock(Math.max(wanted, this.expected))), 0, 0, true);
      return this.bytes.length;
    }
    const free = this.bytes.length - this.tail;
    if (free >= wanted) return free;
    const used = this.tail - this.head;
    if (this.bytes.length === BLOCK_BYTES_MAX) return free > 0 ? free : this.addBlock(wanted);
    this.moveFront(clampBlock(used + wanted));
    this.expected = this.bytes.length;
    return this.bytes.length - used > 0 ? this.bytes.length - used : this.addBlock(wanted);
  }

  private addBlock(wanted: number): number {
    const bytes = takeBlock(laterBlockSize(Math.max(wanted, this.run >> 1)));
    this.later.push({ bytes, head: 0, tail: 0, isPooled: true });
    this.held += bytes.length;
    this.run += bytes.length;
    return bytes.length;
  }

  private nextBlock(): void {
    // Not the result of `shift` on an empty list: that is a call for each write.
    const next = this.later.length === 0 ? undefined : this.later.shift();
    if (next === undefined) {
      // A small burst after a large one: let the expectation sink again.
      if (this.isPooled && this.tail * 4 < this.expected) this.expected >>= 2;
      this.releaseFront();
      return;
    }
    this.releaseFront();
    this.bytes = next.bytes;
    this.head = next.head;
    this.tail = next.tail;
    this.isPooled = next.isPooled;
  }

  /** A few bytes that the kernel did not take do not hold what they were a part of. */
  private shrinkFront(): void {
    const left = this.tail - this.head;
    if (left * 4 > this.bytes.length || left > LARGE_BUFFER_MIN_BYTES) return;
    if (this.bytes.length > BLOCK_BYTES_MIN) this.moveFront(left);
  }

  /** Moves what waits in the front block to a pooled one with room for `size` bytes. */
  private moveFront(size: number): void {
    const block = takeBlock(size);
    const length = this.bytes.copy(block, 0, this.head, this.tail);
    this.releaseFront();
    this.setFront(block, 0, length, true);
  }

  /** Puts a front block where there is none. */
  private setFront(bytes: Buffer, head: number, tail: number, isPooled: boolean): void {
    this.bytes = bytes;
    this.head = head;
    this.tail = tail;
    this.isPooled = isPooled;
    this.held += bytes.length;
    if (this.later.length === 0) this.run = isPooled ? bytes.length : 0;
  }

  private releaseFront(): void {
    this.release(this.bytes, this.isPooled);
    this.bytes = NONE;
    this.head = 0;
    this.tail = 0;
    this.isPooled = false;
  }

  private release(bytes: Buffer, isPooled: boolean): void {
    this.held -= bytes.length;
    if (isPooled) releaseBlock(bytes);
    else if (this.isBlocked) noteGarbage(bytes.length);
  }
}

function clampBlock(size: number): number {
  return size > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : size;
}

/** Of a block for `wanted` bytes, or for as many of them as fit without much room to spare. */
function laterBlockSize(wanted: number): number {
  if (wanted >= BLOCK_BYTES_MAX) return BLOCK_BYTES_MAX;
  if (wanted <= BLOCK_BYTES_MIN) return BLOCK_BYTES_MIN;
  const below = 1 << (31 - Math.clz32(wanted));
  // Twice `below` is taken where no more than a third of it stays free.
  return 3 * wanted > 4 * below ? wanted : below;
}
