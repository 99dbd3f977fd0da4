/** Connecting without an event loop. */
import { closeFd } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { check, errnoName, OsError } from "./os-error.ts";
import type { SocketAddress } from "./socket-address.ts";

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;

/**
 * Begins to connect to `address`. The socket can be written to when it is connected or has failed; `socketError` tells which.
 * @returns the descriptor, which the caller owns @throws OsError when it fails at once
 */
export function startConnecting({ family, bytes }: SocketAddress): number {
  const fd = check(libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  if (libc.connect(fd, bytes, bytes.length) < 0) {
    const code = errnoName(errno());
    if (code !== "EINPROGRESS") {
      closeFd(fd);
      throw new OsError("connect", code);
    }
  }
  return fd;
}
