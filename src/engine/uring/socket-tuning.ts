/** Options of TCP sockets; an accepted connection has those of the socket that it was accepted from. */
import type { SocketTuning } from "../../api/engine.ts";
import { setKeepAlive, setNoDelay } from "../../os/tcp-options.ts";

/** Idle time after which the kernel asks whether the other end is still there. */
const KEEPALIVE_IDLE_S = 60;

export function tuneSocket(fd: number, tuning: SocketTuning): void {
  if (tuning.isKeptAlive) setKeepAlive(fd, KEEPALIVE_IDLE_S);
  setNoDelay(fd, tuning.isUndelayed);
}
