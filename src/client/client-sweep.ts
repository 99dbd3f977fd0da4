/**
 * Closes clients that are idle for too long, or take too long to send one request. Looked at now and then, all in slices: that costs
 * nothing while a client is busy, and is late by a quarter of the time at the most.
 */
import { CLIENT_SWEEP_MS_MAX, CLIENT_SWEEP_MS_MIN } from "../base/health-limits.ts";
import type { Schedule } from "../base/schedule.ts";
import type { SegmentedSet } from "../base/segmented-set.ts";
import { inSlices, type SliceLoop } from "../base/slices.ts";
import { stateOf } from "./client-record.ts";
import type { Session } from "./session.ts";

export interface ClientSweepOptions {
  readonly sessions: SegmentedSet<Session>;
  readonly schedule: Schedule;
  readonly loop: SliceLoop;
  readonly nowMs: () => number;
  /** Milliseconds; null: no limit. Both may change, see `onSettings`. */
  readonly idleMs: () => number | null;
  readonly requestMs: () => number | null;
  /** See ProtocolPool. */
  readonly lastWords?: ((text: string) => Buffer) | undefined;
  /** The client is closed: it was idle, or too slow. */
  readonly onClosed: (peer: string, reason: "idle" | "slow") => void;
}

/** What was seen of a client that is not merely idle. */
interface Seen {
  /** When it was busy last. */
  busyMs: number;
  /** Its incomplete request is the one after so many, and was there at that time; -1: it has none. */
  request: number;
  sinceMs: number;
}

export class ClientSweep {
  private readonly options: ClientSweepOptions;
  private readonly seen: WeakMap<Session, Seen> = new WeakMap();
  private cancel: () => void = () => {};
  private isRunning = false;

  constructor(options: ClientSweepOptions) {
    this.options = options;
    this.arm();
  }

  onSettings(): void {
    this.cancel();
    this.arm();
  }

  close(): void {
    this.cancel();
    this.cancel = () => {};
  }

  private arm(): void {
    const { idleMs, requestMs, schedule } = this.options;
    const least = Math.min(idleMs() ?? Infinity, requestMs() ?? Infinity);
    if (!Number.isFinite(least)) return;
    const stepMs = Math.min(CLIENT_SWEEP_MS_MAX, Math.max(CLIENT_SWEEP_MS_MIN, least / 4));
    this.cancel = schedule(stepMs, () => {
      this.arm();
      if (this.isRunning) return;
      this.isRunning = true;
      inSlices(
        this.options.loop,
        this.options.sessions,
        (session) => this.look(session),
        () => {
          this.isRunning = false;
        },
      );
    });
  }

  private look(session: Session): void {
    if (!session.life.takesRequests || session.move.isUnderWay) return;
    const nowMs = this.options.nowMs();
    if (session.isSettled && session.intake.input.size > 0) this.lookAtRequest(session, nowMs);
    else if (stateOf(session) === "idle") this.lookAtIdle(session, nowMs);
    else this.seenOf(session).busyMs = nowMs;
  }

  /** A part of a request is there, and nothing else keeps it from being taken. */
  private lookAtRequest(session: Session, nowMs: number): void {
    const { requestMs, onClosed } = this.options;
    const limitMs = requestMs();
    const seen = this.seenOf(session);
    seen.busyMs = nowMs;
    const { intake } = session;
    const isHeldBack = intake.isPaused || intake.isPausedByOperator || !intake.isTaking;
    if (isHeldBack || session.throttle?.isDelayed === true) {
      seen.request = -1;
      return;
    }
    if (seen.request !== intake.requests) {
      seen.request = intake.requests;
      seen.sinceMs = nowMs;
      return;
    }
    if (limitMs === null || nowMs - seen.sinceMs < limitMs) return;
    const words = this.options.lastWords?.(tooSlow(limitMs));
    if (words !== undefined) session.push(words, 0, words.length);
    intake.forget();
    session.finish();
    onClosed(session.peer, "slow");
  }

  private lookAtIdle(session: Session, nowMs: number): void {
    const { idleMs, onClosed } = this.options;
    const limitMs = idleMs();
    if (limitMs === null) return;
    const seen = this.seen.get(session);
    if (seen !== undefined) seen.request = -1;
    const sinceMs = Math.max(session.intake.heardMs, seen?.busyMs ?? 0);
    if (nowMs - sinceMs < limitMs) return;
    // Words would be taken for the reply to its next request.
    session.finish();
    onClosed(session.peer, "idle");
  }

  private seenOf(session: Session): Seen {
    let seen = this.seen.get(session);
    if (seen === undefined) {
      seen = { busyMs: 0, request: -1, sinceMs: 0 };
      this.seen.set(session, seen);
    }
    return seen;
  }
}

function tooSlow(limitMs: number): string {
  return `Connection timed out (the request was not complete within ${limitMs} ms, which is the pool's request_timeout)`;
}
