/**
 * The FNV family as twemproxy computes it (hashkit/nc_fnv.c). All results are uint32.
 *
 * Bytes go in as C's `char`: sign-extended where char is signed (x86), as they are where it is not.
 */
import type { HashFunction } from "./types.ts";

const INIT_32 = 2166136261;
const PRIME_32 = 16777619;
/** Low halves of the 64-bit offset basis and prime. */
const INIT_64_LOW = 0x84222325;
const PRIME_64_LOW = 0x1b3;

export function createFnv1Bits32(signedChar: boolean): HashFunction {
  return fnv1(INIT_32, PRIME_32, signedChar);
}

export function createFnv1aBits32(signedChar: boolean): HashFunction {
  return fnv1a(INIT_32, PRIME_32, signedChar);
}

/**
 * FNV-1-64 cut to its low 32 bits. The high half never reaches the low one: the product's low half depends on
 * low halves only, and so does the xor. So 32 bits of state are enough.
 */
export function createFnv1Bits64(signedChar: boolean): HashFunction {
  return fnv1(INIT_64_LOW, PRIME_64_LOW, signedChar);
}

/** twemproxy's, which keeps 32 bits of state: the low 32 bits of FNV-1a-64, by the reason given above. */
export function createFnv1aBits64(signedChar: boolean): HashFunction {
  return fnv1a(INIT_64_LOW, PRIME_64_LOW, signedChar);
}

function fnv1(init: number, prime: number, signedChar: boolean): HashFunction {
  const shift = signedChar ? 24 : 0;
  return (bytes, start, end) => {
    let hash = init | 0;
    for (let i = start; i < end; i++) {
      hash = Math.imul(hash, prime) ^ ((bytes[i]! << shift) >> shift);
    }
    return hash >>> 0;
  };
}

function fnv1a(init: number, prime: number, signedChar: boolean): HashFunction {
  const shift = signedChar ? 24 : 0;
  return (bytes, start, end) => {
    let hash = init | 0;
    for (let i = start; i < end; i++) {
      hash = Math.imul(hash ^ ((bytes[i]! << shift) >> shift), prime);
    }
    return hash >>> 0;
  };
}
