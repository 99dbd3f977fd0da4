/**
 * Maps the shared statistics memory that the supervisor hands down as an open fd.
 *
 * Plain stores to it are seen by every process that maps it, and what a worker wrote outlives that worker.
 */
import { readSync } from "node:fs";
import type { StatsLayout } from "../api/stats.ts";
import { statsByteLength, valuesInUse } from "./layout.ts";

/**
 * Maps the memory behind `fd` for reading and writing. The fd may be closed afterwards; the mapping lives as long as the
 * array. Throws when the fd cannot be mapped, or is too small for the layout.
 */
export function mapStatsMemory(fd: number, layout: StatsLayout): Float64Array {
  const bytesNeeded = statsByteLength(layout);
  const bytes = Bun.mmap(`/proc/self/fd/${fd}`, { shared: true });
  if (bytes.byteLength < bytesNeeded) {
    throw new Error(
      `statistics memory at fd ${fd} has ${bytes.byteLength} bytes, the layout needs ${bytesNeeded}`,
    );
  }
  const values = bytesNeeded / Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(bytes.buffer, bytes.byteOffset, values);
}

/**
 * A copy of the memory behind `fd`, as it is now. To look at a page of a mapping that was never written takes memory for it, and most of
 * what is laid out for histograms never is; to read it takes none. Values behind the last block of each region are zero.
 */
export function readStatsMemory(fd: number, layout: StatsLayout): Float64Array {
  const copy = new Float64Array(layout.stride * layout.slots);
  readInto(copy, fd, layout);
  return copy;
}

/** Reads it again and again into the same memory: fresh memory each time costs more than the reading. */
export class StatsReader {
  readonly #fd: number;
  #copy: Float64Array = new Float64Array(0);
  #used = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** As `readStatsMemory`; valid until the next call. */
  read(layout: StatsLayout): Float64Array {
    const used = valuesInUse(layout);
    const length = layout.stride * layout.slots;
    // What lies behind the blocks in use must be zero.
    if (length !== this.#copy.length || used < this.#used) this.#copy = new Float64Array(length);
    this.#used = used;
    readInto(this.#copy, this.#fd, layout);
    return this.#copy;
  }
}

function readInto(copy: Float64Array, fd: number, layout: StatsLayout): void {
  const { stride, slots } = layout;
  const size = Float64Array.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(copy.buffer);
  const used = valuesInUse(layout) * size;
  for (let slot = 0; slot < slots; slot++) {
    let at = slot * stride * size;
    const end = at + used;
    while (at < end) {
      const count = readSync(fd, bytes, at, end - at, at);
      if (count === 0) return;
      at += count;
    }
  }
}
