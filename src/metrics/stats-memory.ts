/**
 * Maps the shared statistics memory that the supervisor hands down as an open fd.
 *
 * Plain stores to it are seen by every process that maps it, and what a worker wrote outlives that worker.
 */
import type { StatsLayout } from "../api/stats.ts";
import { statsByteLength } from "./layout.ts";

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
