/** How many file descriptors this process may have. */
import { readFileSync } from "node:fs";
import { libc } from "./libc.ts";
import { check } from "./os-error.ts";

const RLIMIT_NOFILE = 7;

const UNLIMITED = 1_048_576;

/** The soft limit, which Bun raises to the hard one at start. From /proc: the figure in force, whichever process set it. */
export function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "latin1");
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  const count = Number(soft);
  return Number.isSafeInteger(count) && count > 0 ? count : UNLIMITED;
}

/**
 * Raises the limit of open files of this process, and of children it starts later, to `count`, as far as allowed.
 * Beyond the hard limit that takes CAP_SYS_RESOURCE. Never lowers it.
 * @returns the limit in force now
 */
export function raiseOpenFiles(count: number): number {
  const limit = new BigUint64Array(new ArrayBuffer(16));
  check(libc.prlimit(0, RLIMIT_NOFILE, null, limit), "prlimit");
  const [soft = 0n, hard = 0n] = limit;
  const wanted = BigInt(count);
  if (soft >= wanted) return openFilesMax();
  limit[0] = wanted;
  limit[1] = wanted > hard ? wanted : hard;
  if (libc.prlimit(0, RLIMIT_NOFILE, limit, null) < 0 && hard > soft) {
    limit[0] = hard;
    limit[1] = hard;
    libc.prlimit(0, RLIMIT_NOFILE, limit, null);
  }
  return openFilesMax();
}
