/**
 * Options of TCP sockets that Bun does not offer. A socket that is none of TCP's (a unix one), or gone, is left alone:
 * these are wishes to the kernel, and no connection depends on them.
 */
import { libc } from "./libc.ts";

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_NODELAY = 1;
const TCP_DEFER_ACCEPT = 9;
const TCP_INFO = 11;
const TCP_QUICKACK = 12;
/** The beginning of struct tcp_info: `unacked`, where a listening socket has the length of its queue, is a part of it. */
const TCP_INFO_BYTES = 104;
const UNACKED_OFFSET = 24;
const TCP_LISTEN = 10;
const SIOCOUTQ = 0x5411;

const info: DataView = new DataView(new ArrayBuffer(TCP_INFO_BYTES));
const infoBytes: Uint8Array = new Uint8Array(info.buffer);
const infoLength: Uint32Array = new Uint32Array(new ArrayBuffer(4));
const value: Int32Array = new Int32Array(new ArrayBuffer(4));

/** Bun sets it on every TCP socket; this takes it away, or puts it back. */
export function setNoDelay(fd: number, isOn: boolean): void {
  set(fd, TCP_NODELAY, isOn ? 1 : 0);
}

/** The kernel asks after `idleSeconds` of silence whether the other end is still there, ten times a second apart. */
export function setKeepAlive(fd: number, idleSeconds: number): void {
  value[0] = 1;
  libc.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, value, 4);
  set(fd, TCP_KEEPIDLE, idleSeconds);
  set(fd, TCP_KEEPINTVL, 1);
  set(fd, TCP_KEEPCNT, 10);
}

/** What was received is acknowledged at once. The kernel leaves this mode by itself, when bytes go the other way. */
export function setQuickAck(fd: number): void {
  set(fd, TCP_QUICKACK, 1);
}

/** On a listening socket: connections show up when they have sent something, or after `seconds`. */
export function setDeferAccept(fd: number, seconds: number): void {
  set(fd, TCP_DEFER_ACCEPT, seconds);
}

/** Connections that wait to be accepted from a listening TCP socket; 0 for any other. */
export function acceptQueueLength(fd: number): number {
  infoLength[0] = TCP_INFO_BYTES;
  const result = libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, infoBytes, infoLength);
  return result < 0 || info.getUint8(0) !== TCP_LISTEN ? 0 : info.getUint32(UNACKED_OFFSET, true);
}

export function isTcp(fd: number): boolean {
  infoLength[0] = TCP_INFO_BYTES;
  return libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, infoBytes, infoLength) >= 0;
}

const queued: Int32Array = new Int32Array(new ArrayBuffer(4));

/** Bytes that were written to a connected socket and that the peer's kernel has not acknowledged; 0 where the kernel does not say. */
export function unacknowledgedBytes(fd: number): number {
  return libc.ioctl(fd, SIOCOUTQ, queued) < 0 ? 0 : queued[0]!;
}

function set(fd: number, option: number, number: number): void {
  value[0] = number;
  libc.setsockopt(fd, IPPROTO_TCP, option, value, 4);
}
