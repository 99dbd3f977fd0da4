/**
 * The memory that small sends go from: a slot each, from the write to its completion. That is one turn: a send takes what the
 * socket has room for at once, or fails.
 */
import { discard, type MappedMemory, mapAnonymous, unmap } from "../../os/mapped-memory.ts";

/** Between two slots, see ReceiveBuffers. */
const STAGGER_BYTES = 192;

export class SendSlots {
  /** All of them in one piece. */
  readonly bytes: Buffer;
  readonly size: number;
  private readonly map: MappedMemory;
  private readonly free: Int32Array;
  private freeCount: number;
  /** So many at the beginning of `free` were not taken since the last `trim`. */
  private unused: number;
  /** So many there have no memory. */
  private discarded: number;

  /** @throws OsError */
  constructor(count: number, size: number) {
    this.size = size;
    this.map = mapAnonymous(count * (size + STAGGER_BYTES));
    this.bytes = Buffer.from(this.map.memory);
    this.free = Int32Array.from({ length: count }, (_, index) => count - 1 - index);
    this.freeCount = count;
    this.unused = count;
    this.discarded = count;
  }

  /** -1: all are taken. The one that was given back last comes first: it is in the processor's caches. */
  take(): number {
    if (this.freeCount === 0) return -1;
    this.freeCount--;
    if (this.freeCount < this.unused) this.unused = this.freeCount;
    return this.free[this.freeCount]!;
  }

  giveBack(slot: number): void {
    this.free[this.freeCount++] = slot;
  }

  /** Where in `bytes` a slot begins. */
  startOf(slot: number): number {
    return slot * (this.size + STAGGER_BYTES);
  }

  addressOf(slot: number): number {
    return this.map.address + this.startOf(slot);
  }

  /** Lets go of the memory of slots that were not taken since the last call of this. */
  trim(): void {
    const { unused } = this;
    if (unused > this.discarded)
      this.discard(Int32Array.from(this.free.subarray(0, unused)).sort());
    this.discarded = unused;
    this.unused = this.freeCount;
  }

  /** Of neighbours also the memory between them. */
  private discard(slots: Int32Array): void {
    let first = 0;
    for (let at = 1; at <= slots.length; at++) {
      if (at < slots.length && slots[at] === slots[at - 1]! + 1) continue;
      discard(this.map, this.startOf(slots[first]!), this.startOf(slots[at - 1]! + 1));
      first = at;
    }
  }

  close(): void {
    unmap(this.map);
  }
}
