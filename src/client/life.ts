/** How a session ends: when the client has, when its last request was taken, or when the worker drains. See LIFE. */

import type { Frontend } from "../api/frontend.ts";
import { POOL } from "../api/stats.ts";
import type { Stream } from "../api/stream.ts";
import { LINGER_MS, RESET_STEP_MS_MAX, RESET_WAIT_MS_MAX } from "../base/limits.ts";
import type { Flushable } from "../base/turn.ts";
import type { Intake } from "./intake.ts";
import type { SessionHost } from "./session-host.ts";
import {
  CLOSED,
  DRAINING,
  ENDED,
  FINISHING,
  LEAVING,
  LIFE,
  LINGERING,
  RESETTING,
  SERVING,
  TAKES_REQUESTS,
} from "./session-states.ts";

/** The session. */
export interface LifeOwner extends Flushable {
  readonly host: SessionHost;
  readonly stream: Stream;
  readonly intake: Intake;
  readonly frontend: Frontend;
  /** Nothing is owed, unsent or half received. */
  readonly isIdle: boolean;
  /** Nothing is owed or unsent. */
  readonly isDone: boolean;
  close(): void;
  /** Closes at once, by a reset. */
  reset(): void;
  /** Whether requests are taken may have changed. */
  review(): void;
  tally(counter: number, by: number): void;
}

export class Life {
  private readonly session: LifeOwner;
  private state: number = SERVING;
  /** The client's end has come, and is not counted yet. */
  private countsEnd = false;
  /** It ends by a reset. */
  private mustReset = false;

  constructor(session: LifeOwner) {
    this.session = session;
  }

  get takesRequests(): boolean {
    return (this.state & TAKES_REQUESTS) !== 0;
  }

  get isClosed(): boolean {
    return this.state === CLOSED;
  }

  /** The client has sent its last byte, and requests are left. */
  get hasEnded(): boolean {
    return this.state === ENDED;
  }

  /** The session ends as soon as nothing is in flight. */
  drain(): void {
    if (this.state === SERVING) this.go(DRAINING);
    this.finishIfIdle();
  }

  /** The client's FIN has come. */
  onEnd(): void {
    const { state, session } = this;
    const { intake } = session;
    if (state === LINGERING) session.close();
    if ((state & (SERVING | DRAINING | FINISHING)) === 0) return;
    this.countsEnd = true;
    this.go(state === FINISHING ? LEAVING : ENDED);
    if (intake.isBlocked) intake.closeIfBlocked();
    // With requests left that were only held back, `onTaken` finishes.
    else if (!intake.isPaused) this.inputEnded();
  }

  /** All that the client sent is taken. */
  private inputEnded(): void {
    if (this.session.frontend.onInputEnd?.() !== true) this.finish();
  }

  /**
   * The frontend has taken what it could.
   * @param mustStop it may not take more now
   */
  onTaken(mustStop: boolean): void {
    if (this.state === SERVING) return;
    if (this.hasEnded && !mustStop) this.inputEnded();
    else if (this.state === DRAINING) this.finishIfIdle();
  }

  /** Something was written. */
  onWritten(): void {
    const { state, session } = this;
    if (state === DRAINING) this.finishIfIdle();
    if (!session.isDone) return;
    if (this.mustReset && (state & (LEAVING | FINISHING)) !== 0) {
      this.go(RESETTING);
      session.intake.setPaused(false);
      this.resetWhenDelivered();
    } else if (state === LEAVING) {
      session.close();
    } else if (state === FINISHING) {
      this.go(LINGERING);
      session.stream.shutdown();
      session.intake.setPaused(false);
      session.host.schedule(LINGER_MS, () => session.close());
    }
  }

  /** Like `finish`, but the client shall not take what it got for the whole: its connection is reset then. */
  finishByReset(): void {
    this.mustReset = true;
    this.finish();
  }

  /** What is on its way would be lost with a reset. A client that takes nothing for long is reset all the same. */
  private resetWhenDelivered(): void {
    const { session } = this;
    const { schedule } = session.host;
    let left = session.stream.undelivered;
    let stepMs = 1;
    let waitedMs = 0;
    const look = (): void => {
      if (this.isClosed) return;
      const { undelivered } = session.stream;
      waitedMs = undelivered < left ? 0 : waitedMs + stepMs;
      left = undelivered;
      if (left === 0 || waitedMs >= RESET_WAIT_MS_MAX) {
        session.reset();
        return;
      }
      stepMs = Math.min(stepMs * 2, RESET_STEP_MS_MAX);
      schedule(stepMs, look);
    };
    look();
  }

  private finishIfIdle(): void {
    if (this.session.isIdle) this.finish();
  }

  /** No more requests are taken; the session closes when all that is owed is written. */
  finish(): void {
    if (!this.takesRequests) return;
    this.go(this.hasEnded ? LEAVING : FINISHING);
    this.session.host.turn.mark(this.session);
  }

  /** There is no connection any more. */
  close(): void {
    this.go(CLOSED);
    if (this.countsEnd) this.session.tally(POOL.client_eof, 1);
  }

  /** The connection is another process's, which will see the client's end once more, and count it. */
  leave(): void {
    this.countsEnd = false;
  }

  private go(next: number): void {
    this.state = LIFE.step(this.state, next);
    this.session.review();
  }
}
