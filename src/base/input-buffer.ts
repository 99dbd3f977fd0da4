/**
 * Received bytes that are not consumed yet.
 *
 * A chunk is scanned where it arrived, unless the engine will write there again: then it is copied first, and all behind this may
 * keep ranges of it in any case. Only what is left of a chunk (an incomplete message) is copied, so that twenty bytes do not pin half
 * a megabyte, and the next chunk is appended to that.
 */
import { ChunkSlab, SLAB_CHUNK_BYTES_MAX } from "./chunk-slab.ts";
import { copyOf } from "./copy-of.ts";
import { noteGarbage } from "./garbage.ts";
import { KEEP_BY_REFERENCE_MIN_BYTES } from "./limits.ts";

/** Room is made at once for so many times of what doubling would give, for a message whose size is known. */
const TRUSTED_GROWTH = 4;

const NONE: Buffer = Buffer.alloc(0);
const slab: ChunkSlab = new ChunkSlab();

export class InputBuffer {
  /** The bytes to scan: bytes[start, end). Never rewritten below `end` once handed out, so ranges of it may be kept. */
  bytes: Buffer = NONE;
  start = 0;
  end = 0;
  /** `bytes` was made here, with room behind `end`; it is not a received chunk. */
  private isOwn = false;
  /** `bytes` has been held for longer than a turn. */
  private isOld = false;

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
      this.hold(bytes, start, length);
    } else if (length > SLAB_CHUNK_BYTES_MAX) {
      this.hold(copyOf(bytes, start, end), 0, length);
    } else {
      const at = slab.put(bytes, start, end);
      this.hold(slab.bytes, at, length);
    }
  }

  private hold(bytes: Buffer, start: number, length: number): void {
    this.replace(bytes, false);
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
      const doubled = Math.max(2 * size, KEEP_BY_REFERENCE_MIN_BYTES);
      // Half as much again at the least: a long message whose parts become known one by one is not copied for each.
      const known = Math.max(need, size + (size >> 1));
      // Where more is known to come than doubling gives, room for more is made at once if it will most likely come.
      const most = isTrusted ? TRUSTED_GROWTH * doubled : doubled;
      const wanted = need <= atLeast ? doubled : Math.min(known, most);
      const larger = Buffer.allocUnsafeSlow(Math.max(atLeast, wanted));
      this.bytes.copy(larger, 0, this.start, this.end);
      this.replace(larger, true);
      this.start = 0;
      this.end = size;
    }
    bytes.copy(this.bytes, this.end, start, end);
    this.end += length;
  }

  /** After a scan: `start` has moved over what was consumed; the rest is taken off the chunk it came in. */
  keepRest(): void {
    if (this.start === this.end) {
      this.clear();
    } else if (this.start > 0 || !this.isOwn) {
      // A buffer that was made for the message at hand keeps its room; what is mostly consumed or a chunk does not.
      this.isOld = true;
      if (this.end - this.start >= this.bytes.length >> 1) return;
      this.replace(copyOf(this.bytes, this.start, this.end), true);
      this.end -= this.start;
      this.start = 0;
    }
  }

  clear(): void {
    this.replace(NONE, false);
    this.start = 0;
    this.end = 0;
  }

  private replace(bytes: Buffer, isOwn: boolean): void {
    if (this.isOld) noteGarbage(this.bytes.length);
    this.bytes = bytes;
    this.isOwn = isOwn;
    this.isOld = isOwn;
  }
}
