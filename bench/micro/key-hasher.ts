/** Hash tag and hash together, as the data plane calls them. */
import { createHash } from "../../src/hash/hash-function.ts";
import { KeyHasher } from "../../src/hash/key-hasher.ts";
import { KEY_BYTES, type MicroBenchmark, makeKeys } from "./micro-benchmark.ts";

const KEYS = 1024; // a power of two: the index is masked
const keys = makeKeys(KEYS);

export const benchmarks: readonly MicroBenchmark[] = [keyHash(null), keyHash("{}")];

function keyHash(tag: string | null): MicroBenchmark {
  return {
    name: `key-hasher fnv1a_64 ${tag === null ? "without tag" : "tag not in key"}`,
    run: (iterations) => {
      const hasher = new KeyHasher(createHash("fnv1a_64", true), tag);
      let sum = 0;
      for (let n = 0; n < iterations; n += 1) {
        const start = (n & (KEYS - 1)) * KEY_BYTES;
        sum ^= hasher.hash(keys, start, start + KEY_BYTES);
      }
      return sum;
    },
  };
}
