/** From a hash to a server. */
import type { Distribution } from "../../src/api/config.ts";
import { createRing } from "../../src/hash/ring.ts";
import type { MicroBenchmark } from "./micro-benchmark.ts";

const HASHES = 1024; // a power of two: the index is masked

export const benchmarks: readonly MicroBenchmark[] = [
  pick("ketama", 4),
  pick("ketama", 100),
  pick("modula", 4),
];

function pick(distribution: Distribution, count: number): MicroBenchmark {
  const servers = Array.from({ length: count }, (_, n) => ({ name: `server${n}`, weight: 1 }));
  // Spread evenly but out of order, as hashes are: multiples of an odd number near 2^32 / golden ratio.
  const hashes = Uint32Array.from({ length: HASHES }, (_, n) => Math.imul(n + 1, 0x9e3779b1) >>> 0);
  return {
    name: `ring ${distribution} ${count} servers`,
    run: (iterations) => {
      const ring = createRing(
        distribution,
        servers,
        () => true,
        () => 0,
      );
      let sum = 0;
      for (let n = 0; n < iterations; n += 1) sum += ring.pick(hashes[n & (HASHES - 1)]!);
      return sum;
    },
  };
}
