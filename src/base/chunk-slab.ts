/**
 * Where small chunks are put that came in a buffer which will be written to again: one behind the other, so that many cost one
 * allocation. Ranges of them may be kept as if each chunk had come in a buffer of its own, because nothing is written twice: a slab
 * that is full is left to those who refer to it.
 */

const SLAB_BYTES: number = 64 * 1024;
/** A larger chunk gets a buffer of its own: what is kept of it does not hold a slab. */
export const SLAB_CHUNK_BYTES_MAX: number = SLAB_BYTES / 8;

const NONE: Buffer = Buffer.alloc(0);

export class ChunkSlab {
  /** What the last `put` wrote to. */
  bytes: Buffer = NONE;
  private used = 0;

  /** Copies bytes[start, end), at most SLAB_CHUNK_BYTES_MAX. @returns where the copy begins in `this.bytes` */
  put(bytes: Buffer, start: number, end: number): number {
    const length = end - start;
    if (this.used + length > this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.used = 0;
    }
    const at = this.used;
    bytes.copy(this.bytes, at, start, end);
    this.used = at + length;
    return at;
  }
}
