/** Options of TCP sockets. */
import type { SocketTuning } from "../../api/engine.ts";
import { setNoDelay } from "../../os/tcp-options.ts";
import type { BunStream } from "./bun-stream.ts";

/** Idle time after which the kernel asks whether the other end is still there. */
const KEEPALIVE_IDLE_MS = 60_000;

/** To be called once, when the connection is open. */
export function tuneSocket(stream: BunStream, tuning: SocketTuning): void {
  if (tuning.isKeptAlive) stream.keepAlive(KEEPALIVE_IDLE_MS);
  // Bun has switched it on already.
  if (!tuning.isUndelayed) setNoDelay(stream.fd, false);
  stream.isQuicklyAcked = tuning.isQuicklyAcked;
}
