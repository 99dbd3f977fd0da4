/** Connections that the acceptor process took for this worker. See DispatchGrant. */
import type { DispatchGrant } from "../api/accept-grants.ts";
import type { AcceptHandle, Engine } from "../api/engine.ts";
import type { Logger } from "../base/log.ts";
import { canOpen, closeFd } from "../os/fd.ts";
import { type ReceivedPacket, receivePacket } from "../os/fd-passing.ts";
import { OsError } from "../os/os-error.ts";
import { openWakeUpSocket } from "./wake-up-socket.ts";

/** A packet is a pool's name, and comes with one connection. */
const PACKET_BYTES_MAX = 64 * 1024;
/** What the system is short of comes back: look again after this. */
const RETRY_MS = 5;

export interface DispatchedOptions {
  readonly log: Logger;
  readonly engine: Engine;
  /** Gets the pool and the connection, which it owns from then on. */
  take(pool: string, fd: number): void;
  /** The wake-up socket cannot be read. */
  onFailure(reason: string): void;
}

/** @throws OsError when the socket is none */
export function receiveDispatched(grant: DispatchGrant, options: DispatchedOptions): AcceptHandle {
  const { engine, log, take } = options;
  const packet = Buffer.allocUnsafeSlow(PACKET_BYTES_MAX);
  let isStopped = false;
  let cancelRetry: (() => void) | null = null;

  /** Null: none waits, or it must wait until there is room for it. */
  const receive = (): ReceivedPacket | null => {
    try {
      // The kernel drops descriptors for which this process has no room.
      if (canOpen(1, grant.connections)) return receivePacket(grant.connections, packet);
    } catch (error) {
      if (!(error instanceof OsError) || !error.isPassing) throw error;
    }
    cancelRetry ??= engine.timer(RETRY_MS, () => {
      cancelRetry = null;
      if (!isStopped) takeAll();
    });
    return null;
  };
  const takeAll = (): void => {
    for (let received = receive(); received !== null; received = receive()) {
      const pool = packet.toString("utf8", 0, received.length);
      if (received.fds.length === 0) log.warn("a client is lost: it came without its connection");
      for (const fd of received.fds) take(pool, fd);
    }
  };

  const wakeUps = openWakeUpSocket(engine, grant.bell, takeAll, options.onFailure);
  // What a predecessor in this slot left behind when it died.
  takeAll();
  return {
    stop() {
      if (isStopped) return;
      isStopped = true;
      wakeUps.stop();
      takeAll();
      cancelRetry?.();
      closeFd(grant.connections);
    },
  };
}
