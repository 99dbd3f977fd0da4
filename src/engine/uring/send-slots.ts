/**
 * The memory that small sends go from: a slot each, from the write to its completion. That is one turn: a send takes what the
 * socket has room for at once, or fails.
 */
import { type MappedMemory, mapAnonymous, unmap } from "../../os/mapped-memory.ts";

/** Between two slots, see ReceiveBuffers. */
const STAGGER_BYTES = 192;

export class SendSlots {
  /** All of them in one piece. */
  readonly bytes: Buffer;
  readonly size: number;
  private readonly map: MappedMemory;
  private readonly free: Int32Array;
  private freeCount: number;

  /** @throws OsError */
  constructor(count: number, size: number) {
    this.size = size;
    this.map = mapAnonymous(count * (size + STAGGER_BYTES));
    this.bytes = Buffer.from(this.map.memory);
    this.free = Int32Array.from({ length: count }, (_, index) => count - 1 - index);
    this.freeCount = count;
  }

  /** -1: all are taken. The one that was given back last comes first: it is in the processor's caches. */
  take(): number {
    return this.freeCount === 0 ? -1 : this.free[--this.freeCount]!;
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

  close(): void {
    unmap(this.map);
  }
}
