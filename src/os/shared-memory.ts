/** Memory that several processes map: an anonymous file that lives as long as a descriptor or a mapping of it. */
import { closeFd } from "./fd.ts";
import { cString, errno, libc } from "./libc.ts";
import { check, errnoName, OsError } from "./os-error.ts";

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

/** Writes all of `bytes` at `position`. @throws OsError */
export function writeSharedMemory(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.subarray(done);
    const count = Number(libc.pwrite(fd, rest, rest.length, position + done));
    if (count > 0) done += count;
    else throwUnlessInterrupted("pwrite", count);
  }
}

/** Fills `bytes` from `position` on. @throws OsError, also when the memory ends before that (EIO) */
export function readSharedMemory(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.subarray(done);
    const count = Number(libc.pread(fd, rest, rest.length, position + done));
    if (count > 0) done += count;
    else throwUnlessInterrupted("pread", count);
  }
}

function throwUnlessInterrupted(call: string, count: number): void {
  const code = count === 0 ? "EIO" : errnoName(errno());
  if (code !== "EINTR") throw new OsError(call, code);
}
