/**
 * What wakes this worker's event loop: one end of a pair of unix sockets that a byte comes out of when it is rung.
 *
 * The pair is the slot's, not the worker's: the next worker in the slot goes on with it.
 */

import type { Engine } from "../api/engine.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";

const PLAIN = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };

export interface Bell {
  /** Nothing is heard any more. */
  stop(): void;
}

/**
 * @param onRing it was rung, once or several times
 * @param onDeaf it cannot be heard, as `reason` says
 */
export function hearBell(
  engine: Engine,
  fd: number,
  onRing: () => void,
  onDeaf: (reason: string) => void,
): Bell {
  let stream: Stream | null = null;
  let isStopped = false;
  // The other end closes when the supervisor is gone, and of that the worker hears over its own line.
  const events: StreamEvents = { onBytes: onRing, onDrain() {}, onEnd() {}, onClose() {} };
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
      if (!isStopped) onDeaf(reason);
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
