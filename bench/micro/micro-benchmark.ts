/**
 * What a file in this folder exports: `export const benchmarks: readonly MicroBenchmark[]`.
 *
 * Do the work in a loop inside `run`, on input made before, and return something that depends on every result, so
 * that the compiler can leave nothing out.
 */
export interface MicroBenchmark {
  readonly name: string;
  /** Does the thing `iterations` times and returns a checksum. */
  readonly run: (iterations: number) => number;
  /** Called once before the first run. */
  readonly setUp?: () => Promise<void>;
}

/** `count` keys of 20 bytes, back to back in one buffer: key n lies at [20 n, 20 n + 20). */
export const KEY_BYTES = 20;

export function makeKeys(count: number): Buffer {
  const names = Array.from(
    { length: count },
    (_, n) => `user:${String(n * 7919).padStart(15, "0")}`,
  );
  return Buffer.from(names.join(""), "latin1");
}
