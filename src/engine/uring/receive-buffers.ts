/**
 * The memory that the kernel receives into. It takes a buffer for each receipt, and gets it back when the turn is over, so that
 * what came in a turn can be read until its end.
 *
 *   ours ──giveBack, publish──▶ the kernel's ──a completion names it──▶ ours
 */
import type { IoUring } from "../../os/io-uring.ts";
import { type MappedMemory, mapAnonymous, unmap } from "../../os/mapped-memory.ts";

/** struct io_uring_buf: address, length, number. The tail of the ring lies in the first one's last two bytes. */
const ENTRY_BYTES = 16;
const TAIL_WORD = 7;
const WORD = 4_294_967_296;
/** Between two buffers, so that their first bytes do not compete for the same lines of the processor's caches. */
const STAGGER_BYTES = 192;

export class ReceiveBuffers {
  /** All of them in one piece. */
  readonly bytes: Buffer;
  private readonly maps: readonly MappedMemory[];
  private readonly count: number;
  private readonly size: number;
  private readonly address: number;
  private readonly words: Uint32Array;
  private readonly halves: Uint16Array;
  private tail = 0;
  private returned = 0;

  /** @param count a power of two @throws OsError */
  constructor(ring: IoUring, count: number, size: number) {
    this.count = count;
    this.size = size;
    const entries = mapAnonymous(count * ENTRY_BYTES);
    const memory = mapAnonymous(count * (size + STAGGER_BYTES));
    this.maps = [entries, memory];
    this.words = new Uint32Array(entries.memory);
    this.halves = new Uint16Array(entries.memory);
    this.address = memory.address;
    this.bytes = Buffer.from(memory.memory);
    ring.registerBuffers(entries.address, count);
    for (let i = 0; i < count; i++) this.giveBack(i);
    this.publish();
  }

  /** Where in `bytes` the buffer of that number begins. */
  startOf(number: number): number {
    return number * (this.size + STAGGER_BYTES);
  }

  /** The kernel gets it again with the next `publish`. */
  giveBack(number: number): void {
    const { words, halves } = this;
    const slot = (this.tail + this.returned) & (this.count - 1);
    const address = this.address + this.startOf(number);
    words[slot * 4] = address % WORD;
    words[slot * 4 + 1] = address / WORD;
    words[slot * 4 + 2] = this.size;
    halves[slot * 8 + 6] = number;
    this.returned++;
  }

  /** To be called when no byte of what was given back is needed any more. */
  publish(): void {
    if (this.returned === 0) return;
    this.tail = (this.tail + this.returned) & 0xffff;
    this.returned = 0;
    this.halves[TAIL_WORD] = this.tail;
  }

  close(): void {
    for (const map of this.maps) unmap(map);
  }
}
