/**
 * The memory that the kernel receives into. It takes a buffer for each receipt, and gets it back when the turn is over, so that
 * what came in a turn can be read until its end.
 *
 *   ours ──giveBack, publish──▶ the kernel's ──a completion names it──▶ ours
 */
import type { IoUring } from "../../os/io-uring.ts";
import { discard, type MappedMemory, mapAnonymous, unmap } from "../../os/mapped-memory.ts";

/** struct io_uring_buf: address, length, number. The tail of the ring lies in the first one's last two bytes. */
const ENTRY_BYTES = 16;
const TAIL_WORD = 7;
const WORD = 4_294_967_296;
/** Between two buffers, so that their first bytes do not compete for the same lines of the processor's caches. */
const STAGGER_BYTES = 192;

export class ReceiveBuffers {
  /** All of them in one piece. */
  readonly bytes: Buffer;
  private readonly entries: MappedMemory;
  private readonly memory: MappedMemory;
  private readonly count: number;
  private readonly size: number;
  private readonly words: Uint32Array;
  private readonly halves: Uint16Array;
  private tail = 0;
  private returned = 0;
  /** The most bytes that were received at once since the last `trim`. */
  private used = 0;
  /** No buffer has memory behind so many bytes. */
  private resident = 0;

  /** @param count a power of two @throws OsError */
  constructor(ring: IoUring, count: number, size: number) {
    this.count = count;
    this.size = size;
    this.entries = mapAnonymous(count * ENTRY_BYTES);
    this.memory = mapAnonymous(count * (size + STAGGER_BYTES));
    this.words = new Uint32Array(this.entries.memory);
    this.halves = new Uint16Array(this.entries.memory);
    this.bytes = Buffer.from(this.memory.memory);
    ring.registerBuffers(this.entries.address, count);
    for (let i = 0; i < count; i++) this.giveBack(i, 0);
    this.publish();
  }

  /** Where in `bytes` the buffer of that number begins. */
  startOf(number: number): number {
    return number * (this.size + STAGGER_BYTES);
  }

  /** The kernel, which has received `length` bytes into it, gets it again with the next `publish`. */
  giveBack(number: number, length: number): void {
    const { words, halves } = this;
    if (length > this.used) this.used = length;
    const slot = (this.tail + this.returned) & (this.count - 1);
    const address = this.memory.address + this.startOf(number);
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

  /**
   * Lets go of the memory that no receipt has needed since the last call of this. To be called behind a `publish`, when no
   * completion waits that names a buffer.
   */
  trim(): void {
    const { used, resident } = this;
    this.resident = used;
    this.used = 0;
    if (used >= resident) return;
    const end = this.startOf(this.count);
    if (used === 0) discard(this.memory, 0, end);
    else
      for (let start = 0; start < end; start += this.startOf(1)) {
        discard(this.memory, start + used, start + this.size);
      }
  }

  close(): void {
    unmap(this.entries);
    unmap(this.memory);
  }
}
