/**
 * From a key to the number that a ring is asked with: picks the part of the key that counts, and hashes it.
 *
 * With the tag "{}" the keys `user:{42}:name` and `user:{42}:mail` hash alike, by `42`.
 */
import type { HashFunction } from "./types.ts";

export class KeyHasher {
  readonly #hash: HashFunction;
  /** The tag's two bytes, or -1: no tag. */
  readonly #open: number;
  readonly #close: number;

  /**
   * @param tag two bytes in UTF-8, which may be the same, or null.
   * @throws RangeError when it is anything else.
   */
  constructor(hash: HashFunction, tag: string | null) {
    const bytes = tag === null ? null : Buffer.from(tag, "utf8");
    if (bytes !== null && bytes.length !== 2) {
      throw new RangeError(`a hash tag is two bytes, not ${bytes.length}`);
    }
    this.#hash = hash;
    this.#open = bytes?.[0] ?? -1;
    this.#close = bytes?.[1] ?? -1;
  }

  /**
   * Hashes the key bytes[start, end). Only what stands between the first opening tag byte and the first closing
   * one after it counts; the whole key when that is empty or there is none. An empty key gives 0.
   */
  hash(bytes: Buffer, start: number, end: number): number {
    if (start >= end) return 0;
    if (this.#open < 0) return this.#hash(bytes, start, end);
    const open = find(bytes, this.#open, start, end);
    if (open < 0) return this.#hash(bytes, start, end);
    const close = find(bytes, this.#close, open + 1, end);
    if (close <= open + 1) return this.#hash(bytes, start, end);
    return this.#hash(bytes, open + 1, close);
  }
}

/** A loop, because `indexOf` takes no end and would search the rest of a chunk. */
function find(bytes: Buffer, byte: number, start: number, end: number): number {
  for (let i = start; i < end; i++) if (bytes[i] === byte) return i;
  return -1;
}
