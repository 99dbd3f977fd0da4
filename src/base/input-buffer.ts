/**
 * Received bytes that are not consumed yet.
 *
 * A chunk is scanned where it arrived, unless the engine will write there again: then it is copied first, and all behind this may
 * keep ranges of it in any case. Only what is left of a chunk (an incomplete message) is copied, so that twenty bytes do not pin half
 * a megabyte, and the next chunk is appended to that.
 */
import { BLOCK_BYTES_POOLED_MAX } from "./block-pool.ts";
import { type ByteUse, COPIED, KEPT } from "./byte-use.ts";
import { noteGarbage } from "./garbage.ts";
import { LARGE_BUFFER_MIN_BYTES, RECLAIM_CHUNK_MIN_BYTES } from "./limits.ts";
import { ReceivedMemory, SLAB_CHUNK_BYTES_MAX } from "./received-memory.ts";

/** Room is made at once for so many times of what doubling would give, for a message whose size is known. */
const TRUSTED_GROWTH = 4;

const NONE: Buffer = Buffer.alloc(0);
/** Of those that belong to no turn: what they have is never used again. */
const MEMORY: ReceivedMemory = new ReceivedMemory();

/** What an InputBuffer's `bytes` are. */
type Origin = "none" | "chunk" | "slab" | "own";

export class InputBuffer {
  /** The bytes to scan: bytes[start, end). Never rewritten below `end` once handed out, so ranges of it may be kept. */
  bytes: Buffer = NONE;
  start = 0;
  end = 0;
  /** The longest use of what was consumed of `bytes`. */
  use: ByteUse = COPIED;
  private readonly memory: ReceivedMemory;
  /** "own": it was made here, with room behind `end`. "chunk": all of it is what an engine has allocated for the receipt. */
  private origin: Origin = "none";
  /** `bytes` has been held for longer than a turn. */
  private isOld = false;

  /** @param memory is used again by the turn it belongs to, see `keepRest`; absent: nothing is */
  constructor(memory: ReceivedMemory = MEMORY) {
    this.memory = memory;
  }

  /** Bytes of memory that it takes. */
  get held(): number {
    return this.bytes.length;
  }

  get size(): number {
    return this.end - this.start;
  }

  /** Adds a received chunk, which becomes the buffer's own. @param need see `receive` */
  add(chunk: Buffer, need: number, isTrusted: boolean): void {
    this.receive(chunk, 0, chunk.length, true, need, isTrusted);
  }

  /**
   * Adds what was received in bytes[start, end).
   * @param isStable those bytes never change, so they may be kept; else they are copied
   * @param need size of the message at `this.start` as far as it is known; room is made for so much, but for no more than a few times
   *   what has arrived when `isTrusted` (a server announced it), and twice otherwise: it may never come.
   */
  receive(
    bytes: Buffer,
    start: number,
    end: number,
    isStable: boolean,
    need: number,
    isTrusted: boolean,
  ): void {
    const length = end - start;
    if (this.start !== this.end) {
      this.append(bytes, start, end, need, isTrusted);
    } else if (isStable) {
      this.hold(bytes, isReclaimed(bytes, length) ? "chunk" : "none", start, length);
    } else if (length > SLAB_CHUNK_BYTES_MAX) {
      const block = this.memory.take(length);
      bytes.copy(block, 0, start, end);
      this.hold(block, "own", 0, length);
    } else {
      const at = this.memory.put(bytes, start, end);
      this.hold(this.memory.slab, "slab", at, length);
    }
  }

  private hold(bytes: Buffer, origin: Origin, start: number, length: number): void {
    this.replace(bytes, origin);
    this.start = start;
    this.end = start + length;
  }

  private append(
    bytes: Buffer,
    start: number,
    end: number,
    need: number,
    isTrusted: boolean,
  ): void {
    const length = end - start;
    const size = this.end - this.start;
    if (this.bytes.length - this.end < length) {
      const atLeast = size + length;
      const doubled = Math.max(2 * size, LARGE_BUFFER_MIN_BYTES);
      // Half as much again at the least: a long message whose parts become known one by one is not copied for each.
      const known = Math.max(need, size + (size >> 1));
      // Where more is known to come than doubling gives, room for more is made at once if it will most likely come.
      const most = isTrusted ? TRUSTED_GROWTH * doubled : doubled;
      const wanted = need <= atLeast ? doubled : Math.min(known, most);
      const larger = this.memory.take(Math.max(atLeast, wanted));
      this.bytes.copy(larger, 0, this.start, this.end);
      this.replace(larger, "own");
      this.start = 0;
      this.end = size;
    }
    bytes.copy(this.bytes, this.end, start, end);
    this.end += length;
  }

  /**
   * After a scan: `start` has moved over what was consumed; the rest is taken off the chunk it came in.
   * @param use of what was consumed; absent: it is not known
   */
  keepRest(use: ByteUse = KEPT): void {
    if (use > this.use) this.use = use;
    if (this.start === this.end) {
      this.empty();
    } else if (this.start > 0 || this.origin !== "own") {
      // A buffer that was made for the message at hand keeps its room; what is mostly consumed or a chunk does not.
      this.isOld = true;
      if (this.end - this.start >= this.bytes.length >> 1) return;
      const rest = this.memory.take(this.end - this.start);
      this.bytes.copy(rest, 0, this.start, this.end);
      this.replace(rest, "own");
      this.end -= this.start;
      this.start = 0;
    }
  }

  /** Forgets what is at hand, in the middle of which others may be looking at it. */
  clear(): void {
    this.use = KEPT;
    this.empty();
  }

  private empty(): void {
    this.replace(NONE, "none");
    this.start = 0;
    this.end = 0;
  }

  private replace(bytes: Buffer, origin: Origin): void {
    if (this.origin !== "none") this.letGo();
    this.bytes = bytes;
    this.origin = origin;
    this.use = COPIED;
    this.isOld = origin === "own";
  }

  private letGo(): void {
    const { bytes, memory, use, origin } = this;
    if (origin === "slab") {
      if (use !== KEPT) memory.returnPut(bytes);
      return;
    }
    if (origin === "own") memory.giveBack(bytes, use);
    else if (use !== KEPT) memory.giveChunk(bytes, use);
    const isGarbage = use === KEPT || bytes.length > BLOCK_BYTES_POOLED_MAX;
    if (this.isOld && isGarbage) noteGarbage(bytes.length);
  }
}

/** Whether a received chunk of `length` bytes is all of its memory, and so much that it is worth giving back. */
function isReclaimed(bytes: Buffer, length: number): boolean {
  // The size first: to ask for `buffer` makes an object, which took longer than all else that is done with a small chunk.
  return length >= RECLAIM_CHUNK_MIN_BYTES && length === bytes.buffer.byteLength;
}
