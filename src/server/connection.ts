/**
 * One connection to one server: requests out, replies in, in order. `Dialer` makes it, and a `ConnectionRole` decides what its fate means.
 *
 * Requests that come while connecting wait in the out-queue. On a loss every waiting request is failed, with word
 * on whether it was sent. A timeout fails single requests; their replies are swallowed when they come. `StepCheck`
 * finds out whether a reply got lost.
 */
import type { ReplyScanner, UpstreamProtocol } from "../api/protocol.ts";
import type { Failure, Link, ReplySink } from "../api/upstream.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { beginByteUse, endByteUse } from "../base/byte-use.ts";
import type { Deadline } from "../base/deadlines.ts";
import { InputBuffer } from "../base/input-buffer.ts";
import {
  REPLY_BYTES_MAX,
  UPSTREAM_PENDING_MAX,
  UPSTREAM_QUEUE_HIGH_BYTES,
  UPSTREAM_QUEUE_LOW_BYTES,
} from "../base/limits.ts";
import type { Flushable, Wakeable } from "../base/turn.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionRole } from "./connection-role.ts";
import { ConnectionStatistics } from "./connection-statistics.ts";
import { deliverMessages } from "./deliver-messages.ts";
import { deliverReplies, GARBAGE, OUT_OF_STEP } from "./deliver-replies.ts";
import { Dialer, type DialerUser } from "./dialer.ts";
import {
  cannotConnect,
  garbageReceived,
  languageHint,
  repliesTooLong,
  replyMissing,
  replyTooLong,
  timedOut,
} from "./failures.ts";
import type { PartialReplyHolder } from "./partial-replies.ts";
import { PendingFifo } from "./pending-fifo.ts";
import { Silence } from "./silence.ts";
import { StepCheck } from "./step-check.ts";

export class Connection implements Link, DialerUser, Flushable, PartialReplyHolder {
  isMarked = false;
  readonly copiesRequests = true;

  readonly owner: ConnectionOwner;
  readonly protocol: UpstreamProtocol;
  readonly role: ConnectionRole;
  readonly statistics: ConnectionStatistics;
  readonly dialer: Dialer;
  readonly out: ByteQueue = new ByteQueue();
  readonly input: InputBuffer;
  heldBytes = 0;
  readonly pending: PendingFifo;
  private readonly scanner: ReplyScanner;
  private readonly step: StepCheck | null;
  private waiters: Wakeable[] = [];
  /** Requests so far. */
  requested = 0;
  /** Since when a reply has been owed without any byte from the server. */
  quietSinceMs = 0;
  private readonly silence = new Silence();
  /** No later than `dueMs`, as long as that is not Infinity. */
  private readonly deadline: Deadline;

  constructor(owner: ConnectionOwner, protocol: UpstreamProtocol, role: ConnectionRole) {
    this.owner = owner;
    this.protocol = protocol;
    this.role = role;
    this.input = new InputBuffer(owner.turn.received);
    // How long a transaction or a blocking command takes is its client's affair: it says nothing of the server.
    this.pending = new PendingFifo(() => this.watch(), role.isAskable ? owner.times : null);
    this.dialer = new Dialer(this);
    this.scanner = protocol.createReplyScanner();
    const { signals = null } = this.scanner;
    this.statistics = new ConnectionStatistics(owner.counters, owner.errors, signals, (name) =>
      owner.onSignal(name),
    );
    this.step = role.isAskable ? StepCheck.of(protocol) : null;
    this.deadline = owner.deadlines.create((nowMs) => {
      this.checkDeadlines(nowMs);
      this.watch();
    });
  }

  get refusal(): Failure | null {
    return this.dialer.refusal;
  }

  get isFull(): boolean {
    return this.out.held >= UPSTREAM_QUEUE_HIGH_BYTES || this.pending.size >= UPSTREAM_PENDING_MAX;
  }

  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    this.enqueue(sink, token, count);
    this.out.appendKept(bytes, start, end);
    this.commit();
  }

  begin(sink: ReplySink, token: number): ByteQueue {
    this.enqueue(sink, token, 1);
    return this.out;
  }

  waitForRoom(waiter: Wakeable): void {
    this.waiters.push(waiter);
    if (this.dialer.isIdle) this.open();
  }

  private enqueue(sink: ReplySink, token: number, count: number): void {
    const { owner, pending } = this;
    const { nowMs } = owner.turn;
    if (pending.size === 0) this.quietSinceMs = nowMs;
    pending.push(sink, token, count, nowMs, this.out.appended);
    this.requested += count;
  }

  commit(): void {
    // Flushed and counted at the end of this turn.
    if (this.isMarked) return;
    const { dialer } = this;
    if (dialer.isReady) this.owner.turn.mark(this);
    else {
      this.statistics.queued(this.requested, this.out.appended);
      if (dialer.isIdle) dialer.open();
    }
  }

  /** Requests that wait for a reply. */
  get pendingCount(): number {
    return this.pending.size;
  }

  get isBusy(): boolean {
    return this.pending.size > 0;
  }

  /** Starts connecting, unless that is under way or done. */
  open(): void {
    this.dialer.open();
  }

  /** See `Dialer.takeDown`. */
  takeDown(sent: Failure, unsent: Failure): void {
    this.dialer.takeDown(sent, unsent);
  }

  /** Gives the connection up for good. */
  close(sent: Failure, unsent: Failure): void {
    this.dialer.close(sent, unsent);
    this.deadline.cancel();
  }

  // Sending

  flush(): void {
    const { stream, isReady } = this.dialer;
    if (isReady && stream !== null) {
      const { pending, out } = this;
      const nowMs = pending.hasUnsent ? this.owner.turn.freshMs : 0;
      out.writeTo(stream);
      if (nowMs > 0) pending.noteSent(out.appended - out.size, nowMs);
    }
    this.gauge();
    this.admitWaiters();
  }

  onDrain(): void {
    this.flush();
  }

  private gauge(): void {
    this.statistics.queued(this.requested, this.out.appended);
    this.statistics.queues(this.dialer.isReady, this.pending, this.out);
  }

  private admitWaiters(): void {
    const { waiters } = this;
    if (waiters.length === 0 || this.out.size > UPSTREAM_QUEUE_LOW_BYTES || this.isFull) return;
    this.waiters = [];
    for (const waiter of waiters) this.owner.turn.wake(waiter);
  }

  // Receiving

  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void {
    const { owner, input, dialer, step } = this;
    const { stream } = dialer;
    // What an engine had received of a stream that was closed since.
    if (stream === null) return;
    const { nowMs } = owner.turn;
    this.quietSinceMs = nowMs;
    this.statistics.responseBytes(end - start);
    input.receive(bytes, start, end, isStable, this.scanner.need, true);
    if (dialer.handshake !== null && !dialer.scanHandshake(input, this.scanner)) return;
    const outer = beginByteUse();
    const replies = this.take();
    const use = endByteUse(outer);
    // A sink may have had the connection closed.
    if (dialer.stream !== stream) return;
    if (replies === OUT_OF_STEP) {
      this.lostStep();
      return;
    }
    if (replies === GARBAGE) {
      const hint = languageHint(input, this.protocol);
      dialer.lost(
        garbageReceived(owner.name, true, hint),
        garbageReceived(owner.name, false, hint),
      );
      return;
    }
    input.keepRest(use);
    if (input.size > REPLY_BYTES_MAX) {
      dialer.lost(replyTooLong(owner.name, true), replyTooLong(owner.name, false));
      return;
    }
    if (this.noteHeld()) {
      owner.partialReplies.keepBound();
      if (dialer.stream !== stream) return;
    }
    if (replies > 0) {
      dialer.onReply();
      this.silence.end();
      this.statistics.responses(replies);
      owner.onReply();
    }
    if (step !== null) {
      const isDue = step.isDue(nowMs, this.pending.size > 0);
      if (isDue || step.isWanted) this.checkStep(step, isDue);
    }
    // What is marked gauges when it is flushed at the end of this turn.
    if (!this.isMarked) this.gauge();
    this.admitWaiters();
  }

  /** Keeps account of the memory that received bytes take beyond this turn. @returns whether it is another amount than before */
  private noteHeld(): boolean {
    const { heldBytes } = this;
    const { held } = this.input;
    if (held === heldBytes) return false;
    this.heldBytes = held;
    this.owner.partialReplies.change(this, heldBytes, held);
    return true;
  }

  giveUpPartialReply(): void {
    const { name } = this.owner;
    this.dialer.lost(repliesTooLong(name, true), repliesTooLong(name, false));
  }

  /** Consumes what is complete of what is at hand. @returns how many replies or messages, GARBAGE or OUT_OF_STEP */
  private take(): number {
    const { input, scanner, role } = this;
    if (role.messages !== null) return deliverMessages(input, scanner, role.messages);
    const { pending, statistics, step } = this;
    const written = this.out.appended - this.out.size;
    pending.heardMs = this.owner.turn.nowMs;
    const replies = deliverReplies(input, scanner, pending, written, statistics, step);
    pending.measure();
    return replies;
  }

  onReady(): void {
    const { turn } = this.owner;
    this.quietSinceMs = turn.nowMs;
    this.step?.start(turn.nowMs);
    turn.mark(this);
  }

  // Losing

  onEnd(): void {
    this.dialer.onEnd("");
  }

  onClose(cause: string): void {
    this.dialer.onEnd(cause);
  }

  /** Fails what waits. To be called when nothing more can come. */
  failWaiting(sent: Failure, unsent: Failure): void {
    this.step?.reset(sent.kind === "closed");
    this.silence.end();
    this.input.clear();
    this.noteHeld();
    this.scanner.reset();
    const written = this.out.appended - this.out.size;
    this.out.clear();
    this.pending.drain((sink, token, count, offset) => {
      sink.onFailure(token, count, offset < written ? sent : unsent);
    });
    this.gauge();
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) this.owner.turn.wake(waiter);
  }

  // Deadlines

  /** To be called when `dueMs` may have become earlier. */
  watch(): void {
    if (!this.dialer.isClosed) this.deadline.setNoLater(this.dueMs);
  }

  /** When something here will be late; Infinity: nothing is awaited. */
  private get dueMs(): number {
    const { dialer, pending, role } = this;
    const { timeoutMs } = role;
    return timeoutMs === null ? dialer.dueMs : Math.min(pending.oldestMs + timeoutMs, dialer.dueMs);
  }

  /** Deals with what is late by now. */
  private checkDeadlines(nowMs: number): void {
    const { owner, dialer } = this;
    if (nowMs >= dialer.dueMs) {
      dialer.attemptFailed(cannotConnect(owner.name, "ETIMEDOUT"));
      return;
    }
    const { timeoutMs } = this.role;
    if (timeoutMs === null || this.pending.oldestMs + timeoutMs > nowMs) return;
    const failure = timedOut(owner.name, timeoutMs);
    const expired = this.pending.expire(nowMs, timeoutMs, (sink, token, count) => {
      sink.onFailure(token, count, failure);
    });
    this.statistics.count("server_timedout", expired);
    if (dialer.isReady) {
      // The answer to a question is late, or the request's sink has seen to the connection's end.
      if (expired === 0 || dialer.stream === null) return;
      if (this.step !== null) this.checkStep(this.step, false);
      this.checkSilence(nowMs, timeoutMs);
    } else if (this.pending.oldestMs === Number.POSITIVE_INFINITY) this.forgetUnsent();
  }

  /** Nothing was sent yet and no client waits any more: then nothing needs to be sent. */
  private forgetUnsent(): void {
    this.out.clear();
    this.pending.drain(() => {});
    this.gauge();
    this.admitWaiters();
  }

  /**
   * Has the server show that it answers in step, behind all that was asked so far.
   * @param isRegular because it is time for that; else because a reply is late or the last answer told nothing
   */
  private checkStep(step: StepCheck, isRegular: boolean): void {
    step.isWanted = step.asked !== null;
    if (step.isWanted) return;
    const { nowMs } = this.owner.turn;
    const request = step.ask(isRegular, nowMs);
    this.pending.pushQuestion(nowMs, this.out.appended);
    this.out.append(request, 0, request.length);
    this.commit();
  }

  /** A reply has come that is not the one which its place is for. */
  private lostStep(): void {
    const { owner, step } = this;
    owner.onOutOfStep();
    // When a reply was late, the trouble was counted then.
    const isTrouble = step?.isRegular === true;
    this.dialer.lost(replyMissing(owner.name, true), replyMissing(owner.name, false), isTrouble);
  }

  private checkSilence(nowMs: number, timeoutMs: number): void {
    const { silence, owner } = this;
    const silentMs = nowMs - this.quietSinceMs;
    const isInDoubt = this.step?.isInDoubt !== false;
    if (silence.isTooLong(nowMs, timeoutMs, silentMs, isInDoubt)) {
      const failure = timedOut(owner.name, timeoutMs);
      this.dialer.countFailedAttempt();
      this.role.takeDown(failure, failure);
      owner.onTrouble(failure);
    } else if (silence.isTrouble(nowMs, timeoutMs))
      owner.onTrouble(timedOut(owner.name, timeoutMs));
  }
}
