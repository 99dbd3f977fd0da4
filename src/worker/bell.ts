/**
 * What wakes this worker's event loop: one end of a pair of unix sockets that a byte comes out of when somebody rings.
 *
 * The pair is the slot's, not the worker's: the next worker in the slot goes on with it.
 */
import type { Stream, StreamEvents } from "../api/stream.ts";
import { adoptStream } from "../io/adopt.ts";

const PLAIN = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };

export interface Bell {
  /** Nothing is heard any more. */
  stop(): void;
}

/** @param onRing somebody rang, once or several times */
export function hearBell(fd: number, onRing: () => void): Bell {
  let stream: Stream | null = null;
  let isStopped = false;
  const events: StreamEvents = { onBytes: onRing, onDrain() {}, onEnd() {}, onClose() {} };
  adoptStream(
    fd,
    PLAIN,
    (opened) => {
      stream = opened;
      // Not from inside of the event that opens it.
      if (isStopped) queueMicrotask(() => opened.detach());
      return events;
    },
    () => {},
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
