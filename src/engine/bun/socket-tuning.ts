/** How a pool wants its TCP connections. Unix sockets take no notice. */
import type { PoolConfig } from "../../api/config.ts";
import { setNoDelay } from "../../os/tcp-options.ts";
import type { BunStream } from "./bun-stream.ts";

export interface SocketTuning {
  /** SO_KEEPALIVE. */
  readonly isKeptAlive: boolean;
  /** TCP_NODELAY. */
  readonly isUndelayed: boolean;
  /** TCP_QUICKACK, again with everything that is received: the kernel leaves that mode by itself. */
  readonly isQuicklyAcked: boolean;
}

export function clientTuning(pool: PoolConfig): SocketTuning {
  return {
    isKeptAlive: pool.tcpKeepalive,
    isUndelayed: pool.tcpNodelay,
    isQuicklyAcked: pool.tcpQuickack,
  };
}

export function serverTuning(pool: PoolConfig): SocketTuning {
  return { isKeptAlive: pool.tcpKeepalive, isUndelayed: pool.tcpNodelay, isQuicklyAcked: false };
}

/** Idle time after which the kernel asks whether the other end is still there. */
const KEEPALIVE_IDLE_MS = 60_000;

/** To be called once, when the connection is open. */
export function tuneSocket(stream: BunStream, tuning: SocketTuning): void {
  if (tuning.isKeptAlive) stream.keepAlive(KEEPALIVE_IDLE_MS);
  // Bun has switched it on already.
  if (!tuning.isUndelayed) setNoDelay(stream.fd, false);
  stream.isQuicklyAcked = tuning.isQuicklyAcked;
}
