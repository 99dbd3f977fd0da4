/** One message to a unix datagram socket, such as the service manager's. */
import { writeSync } from "node:fs";
import { closeFd } from "./fd.ts";
import { libc } from "./libc.ts";
import { check, OsError } from "./os-error.ts";
import { AF_UNIX, abstractAddress, unixAddress } from "./socket-address.ts";

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
/** A receiver that does not read must not stop this process. */
const SEND_TIMEOUT_S = 1n;

/** @param name a path, or `@name` for an abstract address. @throws Error when it cannot be sent */
export function sendDatagram(name: string, text: string): void {
  const address = name.startsWith("@") ? abstractAddress(name.substring(1)) : unixAddress(name);
  if (address === null) throw new OsError(`address "${name}"`, "EINVAL");
  const fd = check(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  try {
    const timeout = new BigInt64Array(new ArrayBuffer(16));
    timeout[0] = SEND_TIMEOUT_S;
    libc.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, timeout, 16);
    check(libc.connect(fd, address.bytes, address.bytes.length), "connect");
    writeSync(fd, text);
  } finally {
    closeFd(fd);
  }
}
