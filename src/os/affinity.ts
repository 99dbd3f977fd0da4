/** Which CPU cores a thread may run on. */
import { readdirSync } from "node:fs";
import { libc } from "./libc.ts";
import { check } from "./os-error.ts";

/** Bytes of an affinity mask: room for 8192 cores, more than any kernel is built for. */
const MASK_BYTES = 1024;

/** Numbers of the cores that this thread may use, in ascending order. */
export function allowedCores(): number[] {
  const mask = emptyMask();
  check(libc.sched_getaffinity(0, MASK_BYTES, mask), "sched_getaffinity");
  const cores: number[] = [];
  for (const [index, byte] of mask.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) cores.push(index * 8 + bit);
  }
  return cores;
}

/**
 * Binds the thread that calls, which is the one of the event loop, to one core. Threads that it starts later would
 * inherit that: see `freeHelperThreads`.
 * @throws OsError EINVAL when this machine or this process has no such core
 */
export function pinThisThread(core: number): void {
  setCores(0, [core]);
}

/** Lets all threads of this process but the event loop's run on `cores`. */
export function freeHelperThreads(cores: readonly number[]): void {
  for (const name of readdirSync("/proc/self/task")) {
    const thread = Number(name);
    if (thread === process.pid) continue;
    try {
      setCores(thread, cores);
    } catch {
      // It has ended meanwhile.
    }
  }
}

function setCores(thread: number, cores: readonly number[]): void {
  const mask = emptyMask();
  for (const core of cores) {
    const index = core >> 3;
    mask[index] = (mask[index] ?? 0) | (1 << (core & 7));
  }
  check(libc.sched_setaffinity(thread, MASK_BYTES, mask), "sched_setaffinity");
}

function emptyMask(): Uint8Array {
  return new Uint8Array(new ArrayBuffer(MASK_BYTES));
}
