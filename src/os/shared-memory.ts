/** Memory that several processes map: an anonymous file that lives as long as a descriptor or a mapping of it. */
import { closeFd } from "./fd.ts";
import { cString, libc } from "./libc.ts";
import { check } from "./os-error.ts";

const MFD_CLOEXEC = 1;

/**
 * Creates zero-filled shared memory. `name` shows up in /proc/PID/maps only.
 * @returns the descriptor; the caller owns it.
 * @throws OsError
 */
export function createSharedMemory(name: string, byteLength: number): number {
  const fd = check(libc.memfd_create(cString(name), MFD_CLOEXEC), "memfd_create");
  try {
    resizeSharedMemory(fd, byteLength);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** Grows the memory; what was there stays. Mappings made before keep their old length. @throws OsError */
export function resizeSharedMemory(fd: number, byteLength: number): void {
  check(libc.ftruncate(fd, byteLength), "ftruncate");
}
