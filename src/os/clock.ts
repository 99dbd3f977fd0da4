/** The kernel's clocks, where their origin matters. */
import { libc } from "./libc.ts";
import { check } from "./os-error.ts";

const CLOCK_MONOTONIC = 1;

/** Microseconds of CLOCK_MONOTONIC, which all processes of the machine agree on. */
export function monotonicUs(): bigint {
  const time = new BigInt64Array(new ArrayBuffer(16));
  check(libc.clock_gettime(CLOCK_MONOTONIC, time), "clock_gettime");
  const [seconds = 0n, nanoseconds = 0n] = time;
  return seconds * 1_000_000n + nanoseconds / 1000n;
}
