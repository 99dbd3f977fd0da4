/** Which keys belong to a share of all keys: the same ones each time, in each process, whatever the ring makes of them. */
const FNV_PRIME = 0x0100_0193;
const FNV_START = 0x811c_9dc5;

/** @param share from 0 to 1. Without a key a request belongs to every share. */
export function isInShare(bytes: Buffer, start: number, end: number, share: number): boolean {
  if (share >= 1 || start >= end) return true;
  let hash = FNV_START;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
  // FNV leaves its high bits alone when the last bytes differ.
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b_3c6d);
  hash ^= hash >>> 12;
  return (hash >>> 0) / 2 ** 32 < share;
}
