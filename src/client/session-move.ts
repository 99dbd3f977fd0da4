/** A session's move to another process: it takes no more requests, and is saved when the frontend can do without its replies. */
import type { Frontend } from "../api/frontend.ts";
import type { ClientRecord, SavedSession } from "../api/move.ts";
import { POOL } from "../api/stats.ts";
import type { Stream } from "../api/stream.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import { copyOf } from "../base/copy-of.ts";
import type { Flushable, Turn, Wakeable } from "../base/turn.ts";
import type { Intake } from "./intake.ts";
import type { Life } from "./life.ts";

/** The session. */
export interface MovingSession extends Flushable, Wakeable {
  readonly turn: Turn;
  readonly stream: Stream;
  readonly frontend: Frontend;
  readonly intake: Intake;
  readonly life: Life;
  readonly out: ByteQueue;
  readonly isOpen: boolean;
  readonly isReadyToMove: boolean;
  readonly record: ClientRecord;
  tally(counter: number, by: number): void;
  /** Another process has the connection. */
  release(): void;
  /** Whether requests are taken may have changed. */
  review(): void;
}

const NONE: Buffer = Buffer.alloc(0);

export class SessionMove {
  private readonly session: MovingSession;
  private onReady: (() => void) | null = null;

  constructor(session: MovingSession) {
    this.session = session;
  }

  get isUnderWay(): boolean {
    return this.onReady !== null;
  }

  /** The session takes no more requests. `onReady` is called, maybe again and again, when it `isReadyToMove`. */
  begin(onReady: () => void): void {
    const { session } = this;
    this.onReady = onReady;
    session.review();
    session.intake.setPaused(true);
    session.turn.mark(session);
  }

  /** The session stays after all. */
  cancel(): void {
    const { session } = this;
    this.onReady = null;
    session.review();
    if (session.isOpen) session.turn.wake(session);
  }

  /** To be called when something was written. @returns whether the move is under way, and the session ready for it */
  tellIfReady(): boolean {
    const { onReady, session } = this;
    if (onReady === null || !session.isReadyToMove) return false;
    onReady();
    return true;
  }

  /** To be called right before `save`, in the same turn. The session may not be ready any more then, or closed. */
  quiesce(): void {
    const { stream, frontend } = this.session;
    // In this order: what the client has sent may go to a connection of its own.
    stream.quiesce();
    frontend.quiesce?.();
  }

  /** All that the session's successor must know. The buffers are copies. */
  save(): SavedSession {
    const { intake, frontend, out, stream, record } = this.session;
    const { bytes, start, end } = intake.input;
    return {
      client: frontend.saveState(),
      input: joined(frontend.unforwarded ?? NONE, copyOf(bytes, start, end)),
      output: joined(stream.unsent, out.toBuffer()),
      descriptors: frontend.descriptors,
      record,
    };
  }

  /** The session's successor has the connection. */
  leave(): void {
    const { stream, frontend, life } = this.session;
    stream.detach();
    frontend.leave();
    life.leave();
    this.session.tally(POOL.moves_given, 1);
    this.session.release();
  }
}

function joined(first: Buffer, second: Buffer): Buffer {
  return first.length === 0 ? second : Buffer.concat([first, second]);
}
