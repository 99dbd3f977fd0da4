/** Every hash function, on keys of 20 bytes. */
import { createHash, HASH_NAMES, initHashes } from "../../src/hash/hash-function.ts";
import { KEY_BYTES, type MicroBenchmark, makeKeys } from "./micro-benchmark.ts";

const KEYS = 1024; // a power of two: the index is masked
const keys = makeKeys(KEYS);

export const benchmarks: readonly MicroBenchmark[] = HASH_NAMES.map((name) => ({
  name: `hash ${name}`,
  setUp: initHashes,
  run: (iterations) => {
    const hash = createHash(name, true);
    let sum = 0;
    for (let n = 0; n < iterations; n += 1) {
      const start = (n & (KEYS - 1)) * KEY_BYTES;
      sum ^= hash(keys, start, start + KEY_BYTES);
    }
    return sum;
  },
}));
