/**
 * Paul Hsieh's SuperFastHash as in twemproxy's hashkit/nc_hsieh.c: it starts from 0, not from the length, and
 * only the last byte of a length ≡ 3 (mod 4) goes in as C's `char`, all others as unsigned.
 */
import type { HashFunction } from "./types.ts";

export function createHsieh(signedChar: boolean): HashFunction {
  const shift = signedChar ? 24 : 0;
  return (bytes, start, end) => {
    const tail = start + ((end - start) & ~3);
    let hash = 0;
    for (let i = start; i < tail; i += 4) {
      hash = (hash + pair(bytes, i)) | 0;
      hash = (hash << 16) ^ (pair(bytes, i + 2) << 11) ^ hash;
      hash = (hash + (hash >>> 11)) | 0;
    }
    const rest = end - tail;
    if (rest === 3) {
      hash = (hash + pair(bytes, tail)) | 0;
      hash ^= hash << 16;
      hash ^= ((bytes[tail + 2]! << shift) >> shift) << 18;
      hash = (hash + (hash >>> 11)) | 0;
    } else if (rest === 2) {
      hash = (hash + pair(bytes, tail)) | 0;
      hash ^= hash << 11;
      hash = (hash + (hash >>> 17)) | 0;
    } else if (rest === 1) {
      hash = (hash + bytes[tail]!) | 0;
      hash ^= hash << 10;
      hash = (hash + (hash >>> 1)) | 0;
    }
    return avalanche(hash);
  };
}

/** Two bytes, little-endian. */
function pair(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function avalanche(value: number): number {
  let hash = value;
  hash ^= hash << 3;
  hash = (hash + (hash >>> 5)) | 0;
  hash ^= hash << 4;
  hash = (hash + (hash >>> 17)) | 0;
  hash ^= hash << 25;
  return (hash + (hash >>> 6)) >>> 0;
}
