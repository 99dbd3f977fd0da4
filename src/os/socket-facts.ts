/** What a descriptor that another process opened is. */
import { libc } from "./libc.ts";
import { addressText } from "./socket-address.ts";

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
const SOCK_STREAM = 1;
const ADDRESS_BYTES = 128;

/** Whether it is a stream socket that listens. */
export function isListening(fd: number): boolean {
  return socketOption(fd, SO_TYPE) === SOCK_STREAM && socketOption(fd, SO_ACCEPTCONN) === 1;
}

/** Whether it is a stream socket at all. */
export function isStreamSocket(fd: number): boolean {
  return socketOption(fd, SO_TYPE) === SOCK_STREAM;
}

/** See `addressText`. */
export function localAddress(fd: number): string | null {
  const bytes = Buffer.from(new ArrayBuffer(ADDRESS_BYTES));
  const length = Uint32Array.from([ADDRESS_BYTES]);
  if (libc.getsockname(fd, bytes, length) < 0) return null;
  return addressText({
    family: bytes.readUInt16LE(0),
    bytes: bytes.subarray(0, Math.min(length[0] ?? 0, ADDRESS_BYTES)),
  });
}

/** The process at the other end of a unix socket: the one that listens. Null: it is not to be seen from here. */
export function peerProcess(fd: number): number | null {
  const [pid = 0] = credentialsOf(fd) ?? [];
  return pid > 0 ? pid : null;
}

/** The user at the other end of a unix socket; -1: it is none, or gone. */
export function peerUser(fd: number): number {
  return credentialsOf(fd)?.[1] ?? -1;
}

/** struct ucred of the other end of a unix socket: process, user, group. Null: it is no unix socket, or gone. */
function credentialsOf(fd: number): Int32Array | null {
  const credentials = Int32Array.from([0, -1, -1]);
  const length = Uint32Array.from([credentials.byteLength]);
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length);
  return result < 0 ? null : credentials;
}

function socketOption(fd: number, option: number): number {
  const value = Int32Array.from([-1]);
  const length = Uint32Array.from([4]);
  return libc.getsockopt(fd, SOL_SOCKET, option, value, length) < 0 ? -1 : (value[0] ?? -1);
}
