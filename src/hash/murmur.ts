/** Austin Appleby's MurmurHash2, seeded with 0xdeadbeef × length as in twemproxy's hashkit/nc_murmur.c. */

const M = 0x5bd1e995;

export function murmur(bytes: Buffer, start: number, end: number): number {
  const length = end - start;
  const tail = start + (length & ~3);
  let hash = Math.imul(0xdeadbeef, length) ^ length;
  for (let i = start; i < tail; i += 4) {
    let word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    word = Math.imul(word, M);
    word ^= word >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  const rest = end - tail;
  if (rest > 2) hash ^= bytes[tail + 2]! << 16;
  if (rest > 1) hash ^= bytes[tail + 1]! << 8;
  if (rest > 0) hash = Math.imul(hash ^ bytes[tail]!, M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return (hash ^ (hash >>> 15)) >>> 0;
}
