/**
 * Descriptors travel between processes with the packets of a unix SEQPACKET socket (unix(7), SCM_RIGHTS).
 *
 *   struct msghdr  { name, namelen, iov, iovlen, control, controllen, flags }      56 bytes on 64-bit Linux
 *   struct cmsghdr { len, level, type } + int fds[]                                16 + 4 × n bytes
 */
import { ptr } from "bun:ffi";
import { errno, libc } from "./libc.ts";
import { check, errnoName, OsError } from "./os-error.ts";
import type { SocketPair } from "./socket-pair.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0x80000;
const SOCK_NONBLOCK = 0x800;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SCM_RIGHTS = 1;
const SIOCOUTQ = 0x5411;
const MSG_PEEK = 2;
const MSG_CTRUNC = 8;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MESSAGE_HEADER_BYTES = 56;
const CONTROL_HEADER_BYTES = 16;
/** Descriptors with one packet. */
const FDS_MAX = 64;
/** So that a burst of packets seldom finds the socket full. The kernel may grant less. */
const SEND_BUFFER_BYTES = 4 * 1024 * 1024;

/** A pair of connected SEQPACKET sockets, both non-blocking. The caller owns both. @throws OsError */
export function createPacketPair(): SocketPair {
  const fds = new Int32Array(new ArrayBuffer(8));
  const type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
  check(libc.socketpair(AF_UNIX, type, 0, fds), "socketpair");
  const size = Int32Array.of(SEND_BUFFER_BYTES);
  for (const fd of fds) libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, size, 4);
  return { ours: fds[0]!, theirs: fds[1]! };
}

/** What the kernel is pointed at. Calls are synchronous, so one of each is enough, and nothing is collected under them. */
const header: DataView = new DataView(new ArrayBuffer(MESSAGE_HEADER_BYTES));
const headerBytes: Uint8Array = new Uint8Array(header.buffer);
const vector: DataView = new DataView(new ArrayBuffer(16));
const control: DataView = new DataView(new ArrayBuffer(controlSpace(FDS_MAX)));
let pinned: Buffer | null = null;

/**
 * Sends `bytes` as one packet together with descriptors, which stay the caller's.
 * @returns false when the socket is full. @throws OsError: when it is passing, nothing is wrong with socket and packet; when
 * `isSocketLost`, nothing can be sent any more; else it concerns this packet
 */
export function sendPacket(socket: number, bytes: Buffer, fds: readonly number[]): boolean {
  control.setBigUint64(0, BigInt(CONTROL_HEADER_BYTES + 4 * fds.length), true);
  control.setInt32(8, SOL_SOCKET, true);
  control.setInt32(12, SCM_RIGHTS, true);
  for (const [i, fd] of fds.entries()) control.setInt32(CONTROL_HEADER_BYTES + 4 * i, fd, true);
  const controlLength = fds.length === 0 ? 0 : controlSpace(fds.length);
  for (;;) {
    fillHeader(bytes, controlLength);
    const sent = libc.sendmsg(socket, headerBytes, MSG_NOSIGNAL);
    const code = sent < 0 ? errnoName(errno()) : "";
    pinned = null;
    if (sent >= 0) return true;
    if (code === "EAGAIN") return false;
    if (code !== "EINTR") throw new OsError("sendmsg", code);
  }
}

const LOST: ReadonlySet<string> = new Set([
  ...["EPIPE", "ECONNRESET", "ENOTCONN", "ECONNREFUSED", "ENOTSOCK"],
]);

/** The other end is gone, or the descriptor is no such socket: what `sendPacket` or `receivePacket` threw concerns all packets. */
export function isSocketLost(error: OsError): boolean {
  return LOST.has(error.code);
}

const unread: Int32Array = new Int32Array(new ArrayBuffer(4));

/** Whether the other end has taken every packet that was sent over `socket`. Where the kernel does not say, it has. */
export function isAllTaken(socket: number): boolean {
  return libc.ioctl(socket, SIOCOUTQ, unread) < 0 || unread[0] === 0;
}

/**
 * Copies the next packet's bytes into `buffer` and leaves it on the socket: its descriptors are not received.
 * @returns its length; 0: there is none now. @throws OsError as `receivePacket` does
 */
export function peekPacket(socket: number, buffer: Buffer): number {
  for (;;) {
    fillHeader(buffer, 0);
    const length = libc.recvmsg(socket, headerBytes, MSG_PEEK);
    const code = length < 0 ? errnoName(errno()) : "";
    pinned = null;
    if (length > 0) return length;
    if (code === "EAGAIN") return 0;
    if (code !== "EINTR") throw new OsError("recvmsg", code === "" ? "ECONNRESET" : code);
  }
}

export interface ReceivedPacket {
  /** Bytes of the packet, from the buffer's start. */
  readonly length: number;
  /** Close-on-exec; the caller owns them. */
  readonly fds: readonly number[];
  /** Descriptors of the packet are lost: this process could not have so many. */
  readonly isCut: boolean;
}

/**
 * Takes one packet into `buffer`, which must hold any packet. Descriptors for which this process has no room are lost: see
 * `canOpen`.
 * @returns null when there is none now. @throws OsError, also when the other end is gone (ECONNRESET).
 */
export function receivePacket(socket: number, buffer: Buffer): ReceivedPacket | null {
  for (;;) {
    fillHeader(buffer, controlSpace(FDS_MAX));
    const length = libc.recvmsg(socket, headerBytes, MSG_CMSG_CLOEXEC);
    const code = length < 0 ? errnoName(errno()) : "";
    pinned = null;
    if (length > 0) return { length, fds: receivedFds(), isCut: isCut() };
    if (code === "EAGAIN") return null;
    if (code !== "EINTR") throw new OsError("recvmsg", code === "" ? "ECONNRESET" : code);
  }
}

function isCut(): boolean {
  return (header.getInt32(48, true) & MSG_CTRUNC) !== 0;
}

function receivedFds(): number[] {
  if (Number(header.getBigUint64(40, true)) < CONTROL_HEADER_BYTES) return [];
  const count = (Number(control.getBigUint64(0, true)) - CONTROL_HEADER_BYTES) / 4;
  return Array.from({ length: count }, (_, i) =>
    control.getInt32(CONTROL_HEADER_BYTES + 4 * i, true),
  );
}

/** Control data is padded to words. */
function controlSpace(fds: number): number {
  return CONTROL_HEADER_BYTES + Math.ceil((4 * fds) / 8) * 8;
}

function fillHeader(payload: Buffer, controlLength: number): void {
  pinned = payload;
  vector.setBigUint64(0, BigInt(ptr(pinned)), true);
  vector.setBigUint64(8, BigInt(payload.length), true);
  header.setBigUint64(16, BigInt(ptr(vector)), true);
  header.setBigUint64(24, 1n, true);
  header.setBigUint64(32, BigInt(ptr(control)), true);
  header.setBigUint64(40, BigInt(controlLength), true);
}
