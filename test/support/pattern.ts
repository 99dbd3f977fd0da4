/** Endless streams of bytes, one for each seed, of which every byte is known by its position. */

/** @returns bytes position … position + length - 1 of stream `seed`, 0 to 255 */
export function patternAt(seed: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(seed, position + i);
  return bytes;
}

/** The first place in `bytes`, which begin at `position` of stream `seed`, where they differ from it; -1: they do not. */
export function patternFault(seed: number, position: number, bytes: Buffer): number {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== byteAt(seed, position + i)) return position + i;
  }
  return -1;
}

function byteAt(seed: number, position: number): number {
  return ((Math.imul(position + 1, 0x9e3779b1) >>> 21) ^ seed) & 255;
}
