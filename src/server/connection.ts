/**
 * One connection to one server: requests out, replies in, in order. How it is made is in `Reconnecting`.
 *
 * Requests that come while connecting wait in the out-queue. On a loss every waiting request is failed, with word
 * on whether it was sent. A timeout fails single requests; their replies are swallowed when they come. `StepCheck`
 * finds out whether a reply got lost.
 */
import type { ReplyScanner, UpstreamProtocol } from "../api/protocol.ts";
import type { Failure, ReplySink, UpstreamConnection } from "../api/upstream.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { InputBuffer } from "../base/input-buffer.ts";
import {
  REPLY_BYTES_MAX,
  UPSTREAM_PENDING_MAX,
  UPSTREAM_QUEUE_HIGH_BYTES,
  UPSTREAM_QUEUE_LOW_BYTES,
} from "../base/limits.ts";
import type { Flushable, Wakeable } from "../base/turn.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { deliverReplies, GARBAGE, OUT_OF_STEP } from "./deliver-replies.ts";
import {
  cannotConnect,
  garbageReceived,
  handshakeRefused,
  languageHint,
  repliesTooLong,
  replyMissing,
  replyTooLong,
  timedOut,
} from "./failures.ts";
import type { Handshake } from "./handshake.ts";
import type { PartialReplyHolder } from "./partial-replies.ts";
import { PendingFifo } from "./pending-fifo.ts";
import { Reconnecting } from "./reconnecting.ts";
import { StepCheck } from "./step-check.ts";

/** A connection with requests on it that is silent for so many timeouts is given up, but not before … */
const SILENCE_TIMEOUTS = 3;
/** … this long. */
const SILENCE_MIN_MS = 1000;

export class Connection
  extends Reconnecting
  implements UpstreamConnection, Flushable, PartialReplyHolder
{
  isMarked = false;

  protected readonly out: ByteQueue = new ByteQueue();
  protected readonly input: InputBuffer = new InputBuffer();
  heldBytes = 0;
  protected readonly pending: PendingFifo = new PendingFifo(() => this.watch());
  protected readonly scanner: ReplyScanner;
  private readonly step: StepCheck | null;
  private waiters: Wakeable[] = [];
  /** Since when a reply has been owed without any byte from the server. */
  protected quietSinceMs = 0;
  private lastTroubleMs = 0;
  /** When a request timed out first since one was answered in time; -1: none has. */
  private lateSinceMs = -1;

  constructor(owner: ConnectionOwner, protocol: UpstreamProtocol) {
    super(owner, protocol);
    this.scanner = protocol.createReplyScanner();
    this.step = this.isAskable ? StepCheck.of(protocol) : null;
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
    if (this.state === "idle") this.open();
  }

  protected enqueue(sink: ReplySink, token: number, count: number): void {
    const { owner, pending } = this;
    const { nowMs } = owner.turn;
    if (pending.size === 0) this.quietSinceMs = nowMs;
    pending.push(sink, token, count, nowMs, this.out.appended);
    this.statistics.requests(count);
  }

  commit(): void {
    this.statistics.requestBytes(this.out.appended);
    if (this.state === "ready") this.owner.turn.mark(this);
    else if (this.state === "idle") this.open();
  }

  /** Requests that wait for a reply. */
  get pendingCount(): number {
    return this.pending.size;
  }

  /** A question whether replies are in step may be asked over it. In a transaction it would become part of that. */
  protected get isAskable(): boolean {
    return this.isShared;
  }

  /** Milliseconds that a reply may take; null: as long as it likes. */
  protected get timeoutMs(): number | null {
    return this.owner.timeoutMs;
  }

  // Sending

  flush(): void {
    if (this.state === "ready" && this.stream !== null) this.out.writeTo(this.stream);
    this.gauge();
    this.admitWaiters();
  }

  onDrain(): void {
    this.flush();
  }

  private gauge(): void {
    const { size } = this.pending;
    const unsent = this.out.size;
    if (this.state !== "ready" || size === 0) {
      this.statistics.queues(size, unsent, 0, 0);
      return;
    }
    const written = this.out.appended - unsent;
    this.statistics.queues(0, unsent, size, Math.max(written - this.pending.offset, 0));
  }

  private admitWaiters(): void {
    const { waiters } = this;
    if (waiters.length === 0 || this.out.size > UPSTREAM_QUEUE_LOW_BYTES || this.isFull) return;
    this.waiters = [];
    for (const waiter of waiters) this.owner.turn.wake(waiter);
  }

  // Receiving

  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void {
    const { owner, input, stream, step } = this;
    const { nowMs } = owner.turn;
    this.quietSinceMs = nowMs;
    this.statistics.responseBytes(end - start);
    input.receive(bytes, start, end, isStable, this.scanner.need, true);
    if (this.handshake !== null && !this.scanHandshake(this.handshake)) return;
    const replies = this.takeReplies();
    // A sink may have had the connection closed.
    if (this.stream !== stream) return;
    if (replies === OUT_OF_STEP) {
      this.lostStep();
      return;
    }
    if (replies === GARBAGE) {
      const hint = languageHint(input, this.protocol);
      this.lost(garbageReceived(owner.name, true, hint), garbageReceived(owner.name, false, hint));
      return;
    }
    input.keepRest();
    if (input.size > REPLY_BYTES_MAX) {
      this.lost(replyTooLong(owner.name, true), replyTooLong(owner.name, false));
      return;
    }
    if (this.noteHeld()) {
      owner.partialReplies.keepBound();
      if (this.stream !== stream) return;
    }
    if (replies > 0) {
      this.losses = 0;
      this.lateSinceMs = -1;
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
    this.lost(repliesTooLong(name, true), repliesTooLong(name, false));
  }

  /** Consumes the complete replies at hand. @returns how many, or GARBAGE */
  protected takeReplies(): number {
    const written = this.out.appended - this.out.size;
    return deliverReplies(
      this.input,
      this.scanner,
      this.pending,
      written,
      this.statistics,
      this.step,
    );
  }

  /** True: the handshake is over, and what follows are replies to requests. */
  private scanHandshake(handshake: Handshake): boolean {
    const fault = handshake.scan(this.input, this.scanner);
    if (fault !== null) {
      this.onConnectFailed(handshakeRefused(this.owner.name, fault, handshake.refusalReply));
    } else if (handshake.isDone) this.ready();
    return fault === null && handshake.isDone;
  }

  protected override ready(): void {
    const { turn } = this.owner;
    this.quietSinceMs = turn.nowMs;
    this.step?.start(turn.nowMs);
    turn.mark(this);
    super.ready();
  }

  // Losing

  protected override get isBusy(): boolean {
    return this.pending.size > 0;
  }

  protected override lose(sent: Failure, unsent: Failure): void {
    this.hangUp();
    this.step?.reset(sent.kind === "closed");
    this.lateSinceMs = -1;
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

  protected override get dueMs(): number {
    const { timeoutMs } = this;
    if (timeoutMs === null) return this.connectDueMs;
    return Math.min(this.pending.oldestMs + timeoutMs, this.connectDueMs);
  }

  /** Fails what has waited too long. */
  protected override checkDeadlines(nowMs: number): void {
    const { owner } = this;
    if (nowMs >= this.connectDueMs) {
      this.onConnectFailed(cannotConnect(owner.name, "ETIMEDOUT"));
      return;
    }
    const { timeoutMs } = this;
    if (timeoutMs === null || this.pending.oldestMs + timeoutMs > nowMs) return;
    const failure = timedOut(owner.name, timeoutMs);
    const expired = this.pending.expire(nowMs, timeoutMs, (sink, token, count) => {
      sink.onFailure(token, count, failure);
    });
    this.statistics.count("server_timedout", expired);
    if (this.state === "ready") {
      // The answer to a question is late, or the request's sink has seen to the connection's end.
      if (expired === 0 || this.stream === null) return;
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
    this.lost(replyMissing(owner.name, true), replyMissing(owner.name, false), isTrouble);
  }

  /** Whether nothing has come for so long, or nothing in time, that the connection is of no use. */
  private isUseless(nowMs: number, timeoutMs: number): boolean {
    const silentMs = nowMs - this.quietSinceMs;
    if (silentMs > Math.max(SILENCE_TIMEOUTS * timeoutMs, SILENCE_MIN_MS)) return true;
    if (this.lateSinceMs < 0) this.lateSinceMs = nowMs;
    // What cannot be checked may be out of step.
    const lateMs = nowMs - this.lateSinceMs;
    return (
      this.step?.isInDoubt !== false &&
      lateMs >= Math.max((SILENCE_TIMEOUTS - 1) * timeoutMs, SILENCE_MIN_MS)
    );
  }

  private checkSilence(nowMs: number, timeoutMs: number): void {
    if (this.isUseless(nowMs, timeoutMs)) {
      const failure = timedOut(this.owner.name, timeoutMs);
      this.failedAttempts++;
      this.takeDown(failure, failure);
      this.owner.onTrouble(failure);
    } else if (nowMs - this.lastTroubleMs >= timeoutMs) {
      this.lastTroubleMs = nowMs;
      this.owner.onTrouble(timedOut(this.owner.name, timeoutMs));
    }
  }
}
