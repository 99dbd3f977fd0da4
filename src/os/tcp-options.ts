/**
 * Options of TCP sockets that Bun does not offer. A socket that is none of TCP's (a unix one), or gone, is left alone:
 * these are wishes to the kernel, and no connection depends on them.
 */
import { libc } from "./libc.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_DEFER_ACCEPT = 9;
const TCP_QUICKACK = 12;

const value: Int32Array = new Int32Array(new ArrayBuffer(4));

/** Bun sets it on every TCP socket; this takes it away, or puts it back. */
export function setNoDelay(fd: number, isOn: boolean): void {
  set(fd, TCP_NODELAY, isOn ? 1 : 0);
}

/** The next packets are acknowledged at once; the kernel leaves this mode by itself. */
export function setQuickAck(fd: number): void {
  set(fd, TCP_QUICKACK, 1);
}

/** On a listening socket: connections show up when they have sent something, or after `seconds`. */
export function setDeferAccept(fd: number, seconds: number): void {
  set(fd, TCP_DEFER_ACCEPT, seconds);
}

function set(fd: number, option: number, number: number): void {
  value[0] = number;
  libc.setsockopt(fd, IPPROTO_TCP, option, value, 4);
}
