/** Sending at once, without an event loop. */
import { type Pointer, ptr } from "bun:ffi";
import { errno, libc } from "./libc.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Takes what there is room for, and no more; a socket whose other end is gone sends no signal. */
export const SEND_AT_ONCE: number = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Gives bytes[start, start + length) to the kernel. @returns how many it took, or an error number, negative */
export function sendAtOnce(fd: number, bytes: Buffer, start: number, length: number): number {
  const address = (ptr(bytes) + start) as Pointer;
  const sent = Number(libc.send(fd, address, length, SEND_AT_ONCE));
  return sent >= 0 ? sent : -errno();
}
