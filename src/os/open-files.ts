/** How many file descriptors this process may have. */
import { readFileSync } from "node:fs";

const UNLIMITED = 1_048_576;

/** The soft limit, which Bun raises to the hard one at start. From /proc: the figure in force, whoever set it. */
export function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "latin1");
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  const count = Number(soft);
  return Number.isSafeInteger(count) && count > 0 ? count : UNLIMITED;
}
