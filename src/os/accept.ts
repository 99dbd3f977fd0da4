/** Accepting without Bun: a plain descriptor that can be given away. */
import { errno, libc } from "./libc.ts";
import { errnoName, OsError } from "./os-error.ts";

const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;

/** A connection that was gone again before it was accepted; accept(2) lists the network's errors. */
const PASSING = new Set(["ECONNABORTED", "EINTR", "ENETDOWN", "EPROTO", "EHOSTUNREACH"]);

/**
 * Takes one connection from a non-blocking listening socket; the caller owns it.
 * @returns null when no client waits. @throws OsError when the process or the machine is short of something
 */
export function acceptConnection(fd: number): number | null {
  for (;;) {
    const connection = libc.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection >= 0) return connection;
    const code = errnoName(errno());
    if (code === "EAGAIN") return null;
    if (!PASSING.has(code)) throw new OsError("accept4", code);
  }
}
