/** Two connected unix sockets: a private line between this process and a child. */
import { writeSync } from "node:fs";
import { libc } from "./libc.ts";
import { check, OsError } from "./os-error.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const SHUT_RD = 0;
const BYTE: Uint8Array = Uint8Array.of(1);

export interface SocketPair {
  readonly ours: number;
  readonly theirs: number;
}

/** The caller owns both descriptors. @throws OsError */
export function createSocketPair(): SocketPair {
  const fds = new Int32Array(new ArrayBuffer(8));
  check(libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
  return { ours: fds[0] ?? -1, theirs: fds[1] ?? -1 };
}

/**
 * After what is in the socket already, its reader finds the end, and the other end cannot write any more, in whatever process it
 * is open. A socket that has no other end any more is left as it is.
 */
export function endInput(fd: number): void {
  libc.shutdown(fd, SHUT_RD);
}

/**
 * Writes one byte to a non-blocking socket. When it is full, the other end has bytes to read anyway.
 * @returns false: the system is short of memory, try again. @throws Error when there is no other end
 */
export function sendByte(fd: number): boolean {
  try {
    writeSync(fd, BYTE);
    return true;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN") return true;
    const known = new OsError("write", code);
    if (known.isPassing) return false;
    throw known;
  }
}
