/** Writing to a socket that another part of the program owns, without its ways around. */
import { libc } from "./libc.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/**
 * Offers the first `length` bytes of `bytes`, which are borrowed for the call, to the socket `fd`. Never waits, raises no signal.
 * @returns how many the kernel took; -1: none, for a reason that `errno` has
 */
export function sendNow(fd: number, bytes: Buffer, length: number): number {
  return Number(libc.send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL));
}
