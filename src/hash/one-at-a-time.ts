/** Bob Jenkins' one-at-a-time hash, as in twemproxy's hashkit/nc_one_at_a_time.c: bytes go in as C's `char`. */
import type { HashFunction } from "./types.ts";

export function createOneAtATime(signedChar: boolean): HashFunction {
  const shift = signedChar ? 24 : 0;
  return (bytes, start, end) => {
    let hash = 0;
    for (let i = start; i < end; i++) {
      hash = (hash + ((bytes[i]! << shift) >> shift)) | 0;
      hash = (hash + (hash << 10)) | 0;
      hash ^= hash >>> 6;
    }
    hash = (hash + (hash << 3)) | 0;
    hash ^= hash >>> 11;
    return (hash + (hash << 15)) >>> 0;
  };
}
