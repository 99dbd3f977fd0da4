/** What a descriptor that another process opened is. */
import { libc } from "./libc.ts";
import { AF_INET, AF_INET6, addressText, ipText } from "./socket-address.ts";

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
const SOCK_STREAM = 1;
const ADDRESS_BYTES = 128;

const endBytes: Buffer = Buffer.from(new ArrayBuffer(ADDRESS_BYTES));
const endLength: Uint32Array = new Uint32Array(new ArrayBuffer(4));

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

/** The IP address and port of the other end; null: it is no IP socket, or gone. */
export function peerIpAndPort(fd: number): [ip: string, port: number] | null {
  endLength[0] = ADDRESS_BYTES;
  return libc.getpeername(fd, endBytes, endLength) < 0 ? null : ipAndPort();
}

/** The same of this end. */
export function localIpAndPort(fd: number): [ip: string, port: number] | null {
  endLength[0] = ADDRESS_BYTES;
  return libc.getsockname(fd, endBytes, endLength) < 0 ? null : ipAndPort();
}

/** What is in `endBytes`. */
function ipAndPort(): [ip: string, port: number] | null {
  const family = endBytes.readUInt16LE(0);
  const port = endBytes.readUInt16BE(2);
  if (family === AF_INET) {
    // Asked for each client that comes; a call of the C library would take much longer.
    const [a, b, c, d] = [endBytes[4], endBytes[5], endBytes[6], endBytes[7]];
    return [`${a}.${b}.${c}.${d}`, port];
  }
  return family === AF_INET6 ? [ipText({ family, bytes: endBytes }), port] : null;
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

/** The error number that a socket has met since it was asked last; 0: none. */
export function socketError(fd: number): number {
  return Math.max(socketOption(fd, SO_ERROR), 0);
}

function socketOption(fd: number, option: number): number {
  const value = Int32Array.from([-1]);
  const length = Uint32Array.from([4]);
  return libc.getsockopt(fd, SOL_SOCKET, option, value, length) < 0 ? -1 : (value[0] ?? -1);
}
