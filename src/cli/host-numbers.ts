import { readFileSync } from "node:fs";

/** The numbers in a file of /proc/sys; none: it cannot be read, as in some containers. */
export function readHostNumbers(path: string): number[] {
  try {
    const words = readFileSync(`/proc/sys/${path}`, "latin1").trim().split(/\s+/);
    return words.map(Number).filter((value) => Number.isFinite(value));
  } catch {
    return [];
  }
}
