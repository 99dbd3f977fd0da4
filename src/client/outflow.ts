/** What a frontend may do with a session's output beside replying: wait until there is room in it, and end it. */
import type { Stream } from "../api/stream.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import { SESSION_STREAM_HIGH_BYTES, SESSION_STREAM_LOW_BYTES } from "../base/limits.ts";
import type { Flushable, Turn, Wakeable } from "../base/turn.ts";

/** The session. */
export interface OutflowOwner extends Flushable {
  readonly turn: Turn;
  readonly stream: Stream;
  readonly out: ByteQueue;
}

export class Outflow {
  /** FIN is sent. */
  hasEnded = false;
  private readonly session: OutflowOwner;
  /** FIN follows what is unsent. */
  private isEnding = false;
  private waiter: Wakeable | null = null;

  constructor(session: OutflowOwner) {
    this.session = session;
  }

  get isFull(): boolean {
    return this.session.out.held >= SESSION_STREAM_HIGH_BYTES;
  }

  waitForRoom(waiter: Wakeable): void {
    this.waiter = waiter;
    this.session.turn.mark(this.session);
  }

  end(): void {
    this.isEnding = true;
    this.session.turn.mark(this.session);
  }

  /** Something was written. */
  onWritten(): void {
    const { session, waiter } = this;
    if (waiter !== null && session.out.size < SESSION_STREAM_LOW_BYTES) {
      this.waiter = null;
      session.turn.wake(waiter);
    }
    if (!this.isEnding || session.out.size > 0) return;
    this.isEnding = false;
    this.hasEnded = true;
    session.stream.shutdown();
  }
}
