/** Bob Jenkins' lookup3 (`hashlittle`, result c), with the initial value 13 of libmemcached and twemproxy. */

const INIT = 0xdeadbeef + 13;
/** Bytes that one round takes in. */
const BLOCK = 12;

export function jenkins(bytes: Buffer, start: number, end: number): number {
  const length = end - start;
  let a = (INIT + length) | 0;
  let b = a;
  let c = a;
  let at = start;
  // The last block, even a whole one, is mixed in by `final` instead: hence > and not ≥.
  for (; end - at > BLOCK; at += BLOCK) {
    a = (a + word(bytes, at)) | 0;
    b = (b + word(bytes, at + 4)) | 0;
    c = (c + word(bytes, at + 8)) | 0;
    // mix
    a = ((a - c) | 0) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (at === end) return c >>> 0;
  a = (a + partialWord(bytes, at, end)) | 0;
  b = (b + partialWord(bytes, at + 4, end)) | 0;
  c = (c + partialWord(bytes, at + 8, end)) | 0;
  // final
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function word(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** A little-endian word of which bytes at and after `end` count as 0. */
function partialWord(bytes: Buffer, at: number, end: number): number {
  if (end - at >= 4) return word(bytes, at);
  let value = 0;
  for (let i = at; i < end; i++) value |= bytes[i]! << ((i - at) * 8);
  return value;
}
