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
import { SLOW_START_REQUESTS } from "../base/health-limits.ts";
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
  garbageReceived,
  languageHint,
  notSentAtAll,
  queueIsFull,
  repliesTooLong,
  replyMissing,
  replyTooLong,
} from "./failures.ts";
import { Lateness, type LateUser } from "./lateness.ts";
import type { PartialReplyHolder } from "./partial-replies.ts";
import { PendingFifo } from "./pending-fifo.ts";
import { StepCheck } from "./step-check.ts";

export class Connection implements Link, DialerUser, LateUser, Flushable, PartialReplyHolder {
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
  /** Requests that may wait here: few at first when the server comes back. */
  private pendingMax = UPSTREAM_PENDING_MAX;
  private readonly lateness: Lateness;

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
    this.lateness = new Lateness(this);
  }

  get refusal(): Failure | null {
    const { refusal } = this.dialer;
    if (refusal !== null || this.pending.size < this.role.pendingMax) return refusal;
    return queueIsFull(this.owner.name, this.role.pendingMax);
  }

  get isFull(): boolean {
    return this.out.held >= UPSTREAM_QUEUE_HIGH_BYTES || this.pending.size >= this.pendingMax;
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
    this.lateness.close();
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
      this.lateness.onAnswered();
      if (this.pendingMax < UPSTREAM_PENDING_MAX) this.pendingMax += replies;
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

  onReady(wasDown: boolean): void {
    const { turn } = this.owner;
    if (wasDown) this.pendingMax = SLOW_START_REQUESTS;
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
    this.lateness.onAnswered();
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

  /** To be called when something here may be late earlier. */
  watch(): void {
    this.lateness.watch();
  }

  /** Nothing was sent yet and no client waits any more: then nothing needs to be sent. */
  forgetUnsent(): void {
    this.out.clear();
    this.pending.drain(() => {});
    this.gauge();
    this.admitWaiters();
  }

  cutUnsent(nowMs: number, queueMs: number): void {
    const { pending, out, owner, statistics } = this;
    const { from, bytes, told } = pending.cutUnsent(
      ...([out.appended - out.size, out.appended, nowMs, queueMs] as const),
    );
    if (bytes === 0) return;
    out.cut(from, bytes);
    const failure = notSentAtAll(owner.name, queueMs);
    for (const { sink, token, count } of told) {
      statistics.count("server_timedout", count);
      sink.onFailure(token, count, failure);
    }
    this.gauge();
    this.admitWaiters();
  }

  /** A reply is late: has the server show that it answers in step. */
  checkLate(): void {
    if (this.step !== null) this.checkStep(this.step, false);
  }

  /** Whether replies are in step cannot be checked. */
  get isInDoubt(): boolean {
    return this.step?.isInDoubt !== false;
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
}
