/** Ways to end a connection, beside closing its descriptor. */
import { libc } from "./libc.ts";

const SHUT_WR = 1;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
/** struct linger: on, for no time. */
const AT_ONCE: Int32Array = new Int32Array(new ArrayBuffer(8));
AT_ONCE[0] = 1;

/** Sends FIN; a socket that is gone is left alone. */
export function endOutput(fd: number): void {
  libc.shutdown(fd, SHUT_WR);
}

/** Closing the descriptor resets the connection then. Of a unix socket the other end reads the end as usual. */
export function resetOnClose(fd: number): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, AT_ONCE, 8);
}
