/** A text in memory that has a descriptor: how a process leaves a note to the program that replaces it. */
import { fstatSync, readlinkSync, readSync, writeSync } from "node:fs";
import { createSharedMemory } from "./shared-memory.ts";

/** @returns the descriptor; the caller owns it. @throws OsError */
export function createMemoryFile(name: string, text: string): number {
  const bytes = Buffer.from(text);
  const fd = createSharedMemory(name, bytes.length);
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, done);
  return fd;
}

/** The text of such a descriptor; null: `fd` is none with that name. */
export function readMemoryFile(name: string, fd: number): string | null {
  try {
    if (readlinkSync(`/proc/self/fd/${fd}`) !== `/memfd:${name} (deleted)`) return null;
    const bytes = Buffer.alloc(fstatSync(fd).size);
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(fd, bytes, done, bytes.length - done, done);
      if (count === 0) return null;
      done += count;
    }
    return bytes.toString();
  } catch {
    return null;
  }
}
