/** MD5 as a source of uint32 values: of keys (`hash: md5`), and of the ketama ring's points. */

const digest = new Uint8Array(new ArrayBuffer(16));

/** The first four digest bytes, little-endian (twemproxy's hashkit/nc_md5.c). */
export function md5Hash(bytes: Buffer, start: number, end: number): number {
  Bun.MD5.hash(bytes.subarray(start, end), digest);
  return wordOf(0);
}

/** Writes the digest of `text` (as UTF-8) to out[at … at + 3] as four uint32, each little-endian. */
export function md5Words(text: string, out: Uint32Array, at: number): void {
  Bun.MD5.hash(text, digest);
  for (let word = 0; word < 4; word++) out[at + word] = wordOf(word);
}

function wordOf(word: number): number {
  const at = word * 4;
  return (
    (digest[at]! | (digest[at + 1]! << 8) | (digest[at + 2]! << 16) | (digest[at + 3]! << 24)) >>> 0
  );
}
