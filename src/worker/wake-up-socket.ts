/**
 * What wakes this worker's event loop: one end of a pair of unix stream sockets, to whose other end another process writes a byte.
 *
 * The pair is the slot's, not the worker's: the next worker in the slot goes on with it.
 */

import type { Engine } from "../api/engine.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";

const PLAIN = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };

export interface WakeUpSocket {
  /** No wake-up is reported any more. */
  stop(): void;
}

/**
 * @param onWakeUp a byte came, or several
 * @param onFailure the socket cannot be read, as `reason` says
 */
export function openWakeUpSocket(
  engine: Engine,
  fd: number,
  onWakeUp: () => void,
  onFailure: (reason: string) => void,
): WakeUpSocket {
  let stream: Stream | null = null;
  let isStopped = false;
  // The other end closes when the supervisor is gone, and of that the worker hears over its own line.
  const events: StreamEvents = { onBytes: onWakeUp, onDrain() {}, onEnd() {}, onClose() {} };
  engine.adopt(
    fd,
    PLAIN,
    (opened) => {
      stream = opened;
      // Not from inside of the event that opens it.
      if (isStopped) queueMicrotask(() => opened.detach());
      return events;
    },
    (reason) => {
      if (!isStopped) onFailure(reason);
    },
  );
  return {
    stop() {
      if (isStopped) return;
      isStopped = true;
      // Closing as usual would shut the socket down for the next worker, too.
      stream?.detach();
    },
  };
}
