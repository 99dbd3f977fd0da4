/**
 * The beginnings of what clients of one worker sent lately, one behind the other in one buffer that is written round and round: so that
 * a request of which it turns out later that it was slow can be named. It pins nothing, and costs a copy of a few bytes.
 */
import { TAPE_BYTES, TAPE_PIECE_BYTES_MAX } from "../base/limits.ts";

const NONE: Buffer = Buffer.alloc(0);

export class RequestTape {
  private bytes: Buffer = NONE;
  private at = 0;
  /** Position of the first byte of the buffer: positions never come again. */
  private base = 0;

  /** Keeps the beginning of bytes[start, end). @returns its position */
  put(bytes: Buffer, start: number, end: number): number {
    const length = Math.min(end - start, TAPE_PIECE_BYTES_MAX);
    if (this.at + length > this.bytes.length) this.rewind();
    const { at } = this;
    bytes.copy(this.bytes, at, start, start + length);
    this.at = at + length;
    return this.base + at;
  }

  /** What was put of a piece of `length` bytes at `position`, borrowed; null: something else was written over it. */
  read(position: number, length: number): Buffer | null {
    const isOver = this.base + this.at - position > this.bytes.length;
    if (isOver || position < 0) return null;
    const at =
      position < this.base ? position - this.base + this.bytes.length : position - this.base;
    return this.bytes.subarray(at, at + Math.min(length, TAPE_PIECE_BYTES_MAX));
  }

  private rewind(): void {
    // A worker without traffic has none.
    if (this.bytes.length === 0) this.bytes = Buffer.allocUnsafeSlow(TAPE_BYTES);
    else this.base += TAPE_BYTES;
    this.at = 0;
  }
}
