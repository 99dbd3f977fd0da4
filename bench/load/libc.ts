/**
 * Sockets as load generators and the late server use them: straight from libc, because that costs less than the proxies do, and waits
 * that are exact to some microseconds, which timers of the event loop are not. Linux only, loopback only.
 */
import { dlopen, FFIType as T } from "bun:ffi";

type Bytes = NodeJS.TypedArray;

interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  connect(fd: number, address: Bytes, length: number): number;
  bind(fd: number, address: Bytes, length: number): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number, address: null, length: null): number;
  close(fd: number): number;
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number;
  send(fd: number, data: Bytes, length: number, flags: number): number | bigint;
  recv(fd: number, data: Bytes, length: number, flags: number): number | bigint;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Bytes): number;
  epoll_pwait2(epoll: number, events: Bytes, max: number, wait: Bytes, mask: null): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
}

export const libc: Libc = dlopen("libc.so.6", {
  socket: { args: [T.i32, T.i32, T.i32], returns: T.i32 },
  connect: { args: [T.i32, T.ptr, T.u32], returns: T.i32 },
  bind: { args: [T.i32, T.ptr, T.u32], returns: T.i32 },
  listen: { args: [T.i32, T.i32], returns: T.i32 },
  accept: { args: [T.i32, T.ptr, T.ptr], returns: T.i32 },
  close: { args: [T.i32], returns: T.i32 },
  setsockopt: { args: [T.i32, T.i32, T.i32, T.ptr, T.u32], returns: T.i32 },
  send: { args: [T.i32, T.ptr, T.u64, T.i32], returns: T.i64_fast },
  recv: { args: [T.i32, T.ptr, T.u64, T.i32], returns: T.i64_fast },
  epoll_create1: { args: [T.i32], returns: T.i32 },
  epoll_ctl: { args: [T.i32, T.i32, T.i32, T.ptr], returns: T.i32 },
  epoll_pwait2: { args: [T.i32, T.ptr, T.i32, T.ptr, T.ptr], returns: T.i32 },
  prctl: { args: [T.i32, T.u64, T.u64, T.u64, T.u64], returns: T.i32 },
}).symbols;

export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

/** For so long before a moment the clock is looked at: to fall asleep and wake up takes time, and then other memory is at hand. */
export const SPIN_NS = 250_000;

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDTIMEO = 21;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const PR_SET_TIMERSLACK = 29;
const EPOLLIN = 1;
const EPOLL_CTL_ADD = 1;
/** `struct epoll_event` is packed on x86-64 only. */
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const EVENT_DATA_AT = EVENT_BYTES - 8;
const EVENTS_MAX = 512;
const ADDRESS_BYTES = 16;
const BACKLOG = 511;

/** Bytes that stay where they are while C holds their address. */
export function fixedBytes(size: number): Buffer {
  return Buffer.from(new ArrayBuffer(size));
}

export function fixedText(text: string): Buffer {
  const bytes = fixedBytes(text.length);
  bytes.write(text, "latin1");
  return bytes;
}

/** A connected socket; -1 when it was refused or took longer than `timeoutMs`. */
export function connectTo(port: number, timeoutMs = 5_000): number {
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  const wait = new BigInt64Array(new ArrayBuffer(16)); // struct timeval; bounds connect() too
  wait[0] = BigInt(Math.floor(timeoutMs / 1e3));
  wait[1] = BigInt((timeoutMs % 1e3) * 1e3);
  libc.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, wait, 16);
  if (libc.connect(fd, loopback(port), ADDRESS_BYTES) !== 0) {
    libc.close(fd);
    return -1;
  }
  sendAtOnce(fd);
  return fd;
}

/** A listening socket. */
export function listenOn(port: number): number {
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, new Int32Array([1]), 4);
  const isBound = libc.bind(fd, loopback(port), ADDRESS_BYTES) === 0;
  if (!isBound || libc.listen(fd, BACKLOG) !== 0) throw new Error(`cannot listen on port ${port}`);
  return fd;
}

/** The next client of a listening socket, once that is ready. */
export function accepted(listener: number): number {
  const fd = libc.accept(listener, null, null);
  if (fd < 0) throw new Error("cannot accept");
  sendAtOnce(fd);
  return fd;
}

function loopback(port: number): Buffer {
  const address = fixedBytes(ADDRESS_BYTES); // struct sockaddr_in
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.writeUInt32BE(0x7f000001, 4);
  return address;
}

function sendAtOnce(fd: number): void {
  libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, new Int32Array([1]), 4);
}

/** Waits that end when they should, not up to 50 µs later. */
export function waitExactly(): void {
  libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
}

/** Which of many sockets have something to read. Closing a socket removes it. */
export class Watch {
  readonly #fd = libc.epoll_create1(0);
  readonly #events = fixedBytes(EVENTS_MAX * EVENT_BYTES);
  readonly #wait = new Int32Array(new ArrayBuffer(16)); // struct timespec, little-endian halves

  /** `id` is what `idAt` gives. */
  add(fd: number, id: number): void {
    const event = fixedBytes(EVENT_BYTES);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeUInt32LE(id, EVENT_DATA_AT);
    if (libc.epoll_ctl(this.#fd, EPOLL_CTL_ADD, fd, event) !== 0) throw new Error("epoll_ctl");
  }

  /** How many are ready, after at most this time. */
  wait(ns: number): number {
    this.#wait[0] = Math.floor(ns / 1e9);
    this.#wait[2] = ns % 1e9;
    return libc.epoll_pwait2(this.#fd, this.#events, EVENTS_MAX, this.#wait, null);
  }

  idAt(index: number): number {
    return this.#events.readUInt32LE(index * EVENT_BYTES + EVENT_DATA_AT);
  }
}
