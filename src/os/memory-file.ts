/** A text in memory that has a descriptor: how a process leaves a note to the program that replaces it. */
import { fstatSync, readlinkSync } from "node:fs";
import { closeFd } from "./fd.ts";
import { createSharedMemory, readSharedMemory, writeSharedMemory } from "./shared-memory.ts";

/** @returns the descriptor; the caller owns it. @throws OsError */
export function createMemoryFile(name: string, text: string): number {
  const bytes = Buffer.from(text);
  const fd = createSharedMemory(name, bytes.length);
  try {
    writeSharedMemory(fd, bytes, 0);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** The text of such a descriptor; null: `fd` is none with that name. */
export function readMemoryFile(name: string, fd: number): string | null {
  try {
    if (readlinkSync(`/proc/self/fd/${fd}`) !== `/memfd:${name} (deleted)`) return null;
    const bytes = Buffer.alloc(fstatSync(fd).size);
    readSharedMemory(fd, bytes, 0);
    return bytes.toString();
  } catch {
    return null;
  }
}
