/**
 * How many connections to one server a worker makes at once: when it comes back after all of its clients have lost theirs, it is not met by
 * thousands of handshakes. What is more waits, in its order; an attempt that is given up meanwhile leaves the line.
 */
import type { ConnectAttempt, ConnectEvents } from "../api/engine.ts";

interface Waiting {
  start(): void;
}

export class ConnectGate {
  private readonly max: number;
  private underWay = 0;
  private readonly line: Set<Waiting> = new Set();

  /** @param max at once */
  constructor(max: number) {
    this.max = max;
  }

  /** @param connect begins the attempt, and tells these events of it. @param events hear of it */
  pass(events: ConnectEvents, connect: (events: ConnectEvents) => ConnectAttempt): ConnectAttempt {
    let attempt: ConnectAttempt | null = null;
    // Of an attempt that never began nothing ends.
    let isOver = true;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      this.underWay--;
      this.next();
    };
    const waiting: Waiting = {
      start: () => {
        this.underWay++;
        isOver = false;
        attempt = connect({
          onOpen: (stream) => {
            over();
            events.onOpen(stream);
          },
          onError: (cause) => {
            over();
            events.onError(cause);
          },
        });
      },
    };
    if (this.underWay < this.max) waiting.start();
    else this.line.add(waiting);
    return {
      abandon: () => {
        if (this.line.delete(waiting)) return;
        attempt?.abandon();
        over();
      },
    };
  }

  private next(): void {
    for (const waiting of this.line) {
      if (this.underWay >= this.max) return;
      this.line.delete(waiting);
      waiting.start();
    }
  }
}
