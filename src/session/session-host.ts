import type { Schedule } from "../base/schedule.ts";
import type { Turn } from "../base/turn.ts";
import type { Session } from "./session.ts";

/** What sessions of one pool share. */
export interface SessionHost {
  readonly turn: Turn;
  readonly schedule: Schedule;
  /** This worker's statistics, and where the pool's begin. */
  readonly counters: Float64Array;
  readonly countersBase: number;
  onSessionClosed(session: Session): void;
}

/** A session between two processes. */
export interface SavedSession {
  /** The frontend's own. */
  readonly client: unknown;
  /** Received, not handled. */
  readonly input: Buffer;
  /** Replies that the client has not taken. */
  readonly output: Buffer;
  /** The frontend's: they stay the sender's, and become the receiver's. */
  readonly descriptors: readonly number[];
}
