/**
 * What is late on a connection: the attempt to make it, a reply, or any byte of one. A request that is late fails alone. A server that is
 * silent, or late, for much longer loses the connection.
 */
import type { Failure } from "../api/upstream.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import type { Deadline } from "../base/deadlines.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionRole } from "./connection-role.ts";
import type { ConnectionStatistics } from "./connection-statistics.ts";
import type { Dialer } from "./dialer.ts";
import { cannotConnect, notSentInTime, silent, timedOut } from "./failures.ts";
import type { PendingFifo } from "./pending-fifo.ts";
import { Silence } from "./silence.ts";

/** The connection. */
export interface LateUser {
  readonly owner: ConnectionOwner;
  readonly role: ConnectionRole;
  readonly dialer: Dialer;
  readonly pending: PendingFifo;
  readonly out: Pick<ByteQueue, "appended" | "size">;
  readonly statistics: ConnectionStatistics;
  /** Since when a reply has been owed without any byte from the server. */
  readonly quietSinceMs: number;
  readonly isInDoubt: boolean;
  checkLate(): void;
  /** Fails what has waited for `queueMs` and was not sent, and does not send it. */
  cutUnsent(nowMs: number, queueMs: number): void;
  forgetUnsent(): void;
}

/** In the time that a request may wait the queue is looked at so often at the most. */
const QUEUE_LOOKS = 8;

export class Lateness {
  private readonly user: LateUser;
  /** No later than `dueMs`, as long as that is not Infinity. */
  private readonly deadline: Deadline;
  private readonly silence = new Silence();
  /** When to look whether requests have waited for too long to be sent; Infinity: none waits, or they may. */
  private queueDueMs: number = Number.POSITIVE_INFINITY;

  constructor(user: LateUser) {
    this.user = user;
    this.deadline = user.owner.deadlines.create((nowMs) => {
      this.check(nowMs);
      this.watch();
    });
  }

  /** To be called when `dueMs` may have become earlier. */
  watch(): void {
    const { dialer, role, owner, pending } = this.user;
    if (dialer.isClosed) return;
    const { queueMs } = role;
    if (queueMs !== null && pending.size > 0) {
      this.queueDueMs = Math.min(this.queueDueMs, owner.turn.nowMs + queueMs);
    }
    this.deadline.setNoLater(this.dueMs);
  }

  /** Requests were answered in time, or the connection is another one. */
  onAnswered(): void {
    this.silence.end();
  }

  close(): void {
    this.deadline.cancel();
  }

  /** When something will be late; Infinity: nothing is awaited. */
  private get dueMs(): number {
    const { dialer, pending, role } = this.user;
    const { timeoutMs } = role;
    const lateMs = timeoutMs === null ? Number.POSITIVE_INFINITY : pending.oldestMs + timeoutMs;
    return Math.min(lateMs, dialer.dueMs, this.silentMs, this.queueDueMs);
  }

  /** When the server will have been silent for too long; Infinity: it may be. */
  private get silentMs(): number {
    const { role, dialer, pending, quietSinceMs } = this.user;
    const { firstByteMs } = role;
    if (firstByteMs === null || !dialer.isReady) return Number.POSITIVE_INFINITY;
    return Math.max(pending.oldestMs, quietSinceMs) + firstByteMs;
  }

  private check(nowMs: number): void {
    if (nowMs >= this.queueDueMs) this.checkQueue(nowMs);
    const { owner, dialer, role, pending } = this.user;
    if (nowMs >= dialer.dueMs) {
      dialer.attemptFailed(cannotConnect(owner.name, "ETIMEDOUT"));
      return;
    }
    const { timeoutMs, firstByteMs } = role;
    if (timeoutMs !== null && pending.oldestMs + timeoutMs <= nowMs) {
      this.expire(nowMs, timeoutMs, timedOut(owner.name, timeoutMs));
    } else if (firstByteMs !== null && this.silentMs <= nowMs) {
      this.expire(nowMs, firstByteMs, silent(owner.name, firstByteMs));
    }
  }

  /** What waits behind those that are late is looked at when it is late itself, but not for each of many requests. */
  private checkQueue(nowMs: number): void {
    const { user } = this;
    const { queueMs } = user.role;
    this.queueDueMs = Number.POSITIVE_INFINITY;
    if (queueMs === null) return;
    user.cutUnsent(nowMs, queueMs);
    if (user.pending.size === 0) return;
    const oldestMs = user.pending.oldestUnsentMs(user.out.appended - user.out.size);
    this.queueDueMs = Math.max(Math.min(oldestMs, nowMs) + queueMs, nowMs + queueMs / QUEUE_LOOKS);
  }

  /** Fails what has waited for `timeoutMs`, with `failure` if it was sent. */
  private expire(nowMs: number, timeoutMs: number, failure: Failure): void {
    const { user } = this;
    const { owner, dialer, out, pending } = user;
    const written = out.appended - out.size;
    const unsent = notSentInTime(owner.name, timeoutMs);
    const expired = pending.expire(nowMs, timeoutMs, (sink, token, count, offset) => {
      sink.onFailure(token, count, offset < written ? failure : unsent);
    });
    user.statistics.count("server_timedout", expired);
    if (dialer.isReady) {
      // The answer to a question is late, or the request's sink has seen to the connection's end.
      if (expired === 0 || dialer.stream === null) return;
      user.checkLate();
      this.checkSilence(nowMs, timeoutMs, failure);
    } else if (pending.oldestMs === Number.POSITIVE_INFINITY) user.forgetUnsent();
  }

  private checkSilence(nowMs: number, timeoutMs: number, failure: Failure): void {
    const { silence, user } = this;
    const { owner, dialer, role } = user;
    const silentMs = nowMs - user.quietSinceMs;
    if (silence.isTooLong(nowMs, timeoutMs, silentMs, user.isInDoubt)) {
      dialer.countFailedAttempt();
      role.takeDown(failure, failure);
      owner.onTrouble(failure);
    } else if (silence.isTrouble(nowMs, timeoutMs)) owner.onTrouble(failure);
  }
}
