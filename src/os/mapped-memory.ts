/** Memory at an address that never changes, for what the kernel reads and writes while JavaScript goes on. */
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { errno, libc } from "./libc.ts";
import { errnoName, OsError } from "./os-error.ts";

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_POPULATE = 0x8000;
const MADV_DONTNEED = 4;
/** Where pages are larger, nothing is given back. */
const PAGE_BYTES = 4096;

/** It lasts until `unmap`, or as long as the process. */
export interface MappedMemory {
  readonly address: number;
  readonly memory: ArrayBuffer;
}

/** Zeroed memory of this process alone; pages are taken when they are first touched. @throws OsError */
export function mapAnonymous(length: number): MappedMemory {
  return map(length, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/** A part of what `fd` offers, shared with the kernel. @throws OsError */
export function mapShared(fd: number, offset: number, length: number): MappedMemory {
  return map(length, MAP_SHARED | MAP_POPULATE, fd, offset);
}

/** No view of it may be used any more. */
export function unmap({ address, memory }: MappedMemory): void {
  libc.munmap(address, memory.byteLength);
}

/** Gives the whole pages of [start, end) back to the system: anonymous memory is zero there when it is touched next. */
export function discard({ address }: MappedMemory, start: number, end: number): void {
  const first = Math.ceil((address + start) / PAGE_BYTES) * PAGE_BYTES;
  const last = Math.floor((address + end) / PAGE_BYTES) * PAGE_BYTES;
  if (last > first) libc.madvise(first, last - first, MADV_DONTNEED);
}

function map(length: number, flags: number, fd: number, offset: number): MappedMemory {
  const address = Number(libc.mmap(0, length, PROT_READ_WRITE, flags, fd, offset));
  // MAP_FAILED is -1, which is no address.
  if (address <= 0) throw new OsError("mmap", errnoName(errno()));
  return { address, memory: toArrayBuffer(address as Pointer, 0, length) };
}
