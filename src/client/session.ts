/**
 * One client's connection: reads requests, owes replies in their order, and closes cleanly.
 *
 *   socket ─▶ intake ─▶ frontend.consume ─▶ upstream connections
 *   socket ◀─ out ◀─ ring ◀─ onReplies / onFailure ◀─┘
 *
 * Backpressure: with too many replies owed, too much output unread or a full upstream queue no requests are taken, and none are read while
 * some wait. A shared upstream connection is never paused for one client's sake, so a client that reads nothing is cut at its output limit.
 */
import type { ClientPort, ReplyHolder } from "../api/client-port.ts";
import type { Frontend } from "../api/frontend.ts";
import type { Family } from "../api/latency.ts";
import type { ClientAddress, ClientRecord } from "../api/move.ts";
import { POOL } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure, Link } from "../api/upstream.ts";
import { ByteQueue, GONE, WRITTEN } from "../base/byte-queue.ts";
import { PUSHED_OUTPUT_MAX_BYTES, SESSION_OUTPUT_HIGH_BYTES } from "../base/limits.ts";
import type { Flushable, Turn, Wakeable } from "../base/turn.ts";
import { ClientLane } from "./client-lane.ts";
import { idOf, recordOf } from "./client-record.ts";
import { Intake } from "./intake.ts";
import { Life } from "./life.ts";
import { Outflow } from "./outflow.ts";
import { ReplyRing } from "./reply-ring.ts";
import { ReplyWindow } from "./reply-window.ts";
import type { RequestTrace } from "./request-trace.ts";
import type { SessionHost } from "./session-host.ts";
import { SessionMove } from "./session-move.ts";
import { BLOCKED, SETTLING, WAITING } from "./session-states.ts";
import type { SlowHearer } from "./stamps.ts";
import type { ClientThrottle } from "./throttle.ts";
import { type CutReason, Unread } from "./unread.ts";

/** The pool of a session. */
export interface SessionOwner extends SessionHost {
  /** It is about to close. */
  onSessionCut(session: Session, reason: CutReason): void;
  onSessionClosed(session: Session): void;
  /** A number that no other client of any worker has. */
  nextClientId(): number;
}

export class Session implements ClientPort, StreamEvents, Flushable, SlowHearer {
  readonly takesRuns: boolean = true;
  readonly copiesReplies: boolean = true;
  isMarked = false;
  isWoken = false;
  readonly turn: Turn;
  readonly way: ClientLane;
  /** Written by this class, and looked at by `Unread`. */
  readonly ring: ReplyRing;
  readonly out: ByteQueue = new ByteQueue();
  readonly host: SessionOwner;
  readonly unread: Unread;
  frontend!: Frontend;
  readonly stream: Stream;
  /** Null: its pool has no limits. */
  throttle: ClientThrottle | null = null;
  stopToken = -1;
  /** The stream, or what a PROXY header has said. */
  address: ClientAddress;
  readonly life: Life;
  readonly intake: Intake;
  readonly move: SessionMove;
  private readonly outflow: Outflow = new Outflow(this);
  /** See client-record.ts. */
  ownId: number | null = null;
  openedMs: number;
  sentBefore = 0;
  /** Where its requests are on the tape; null: it has sent none that count. */
  trace: RequestTrace | null = null;
  /** Neither its life nor its intake nor a move stands in the way of more requests: kept up by `review`, asked with each request. */
  private takesMore = true;
  private knownOrigin: string | null = null;
  readonly window: ReplyWindow;

  constructor(host: SessionOwner, stream: Stream, lane: number) {
    this.host = host;
    this.turn = host.turn;
    this.stream = stream;
    this.address = stream;
    this.openedMs = host.turn.nowMs;
    this.way = new ClientLane(this, lane);
    this.window = new ReplyWindow(this.way);
    this.ring = new ReplyRing(this.out, host.times);
    if (this.ring.stamps !== null) this.ring.stamps.hearer = this;
    this.unread = new Unread(this);
    this.life = new Life(this);
    this.intake = new Intake(this);
    this.move = new SessionMove(this);
  }

  /** To be called before the first byte; again when another takes over. */
  attach(frontend: Frontend): void {
    this.frontend = frontend;
  }

  /** Asked of the stream when it is wanted, and kept for when that is closed: it costs a system call, and few clients need it. */
  get origin(): string {
    this.knownOrigin ??= this.address.origin;
    return this.knownOrigin;
  }

  get lane(): number {
    return this.way.number;
  }

  get peer(): string {
    return this.address.peer;
  }

  get localAddress(): string {
    return this.address.localAddress;
  }

  get fd(): number {
    return this.stream.fd;
  }

  get isOpen(): boolean {
    return !this.life.isClosed;
  }

  /** Nothing is owed, unsent or half received. */
  get isIdle(): boolean {
    return this.isDone && this.intake.input.size === 0;
  }

  /** Nothing is owed or unsent. */
  get isDone(): boolean {
    return this.ring.pending === 0 && this.out.size === 0;
  }

  get id(): number {
    return idOf(this);
  }

  get record(): ClientRecord {
    return recordOf(this);
  }

  // Requests

  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void {
    if (this.life.takesRequests) this.intake.onBytes(bytes, start, end, isStable);
  }

  wakeUp(): void {
    this.intake.wakeUp();
  }

  review(): void {
    this.takesMore = this.life.takesRequests && this.intake.isTaking && !this.move.isUnderWay;
  }

  mayTakeMore(): boolean {
    return (
      this.takesMore &&
      (this.stopToken < 0 || this.ring.nextToken !== this.stopToken) &&
      // No wider than the ring is long.
      this.window.allows(this.ring.pending) &&
      this.out.held < this.host.memory.unreadMax
    );
  }

  get owed(): number {
    return this.ring.pending;
  }

  get isSettled(): boolean {
    return this.ring.pending === 0;
  }

  waitUntilSettled(): void {
    this.intake.wait(SETTLING);
  }

  waitBlocked(): void {
    this.intake.wait(BLOCKED);
    if (this.life.hasEnded) this.intake.closeIfBlocked();
  }

  waitForWake(): void {
    this.intake.wait(WAITING);
  }

  waitFor(connection: Pick<Link, "waitForRoom">): void {
    this.intake.wait(WAITING);
    connection.waitForRoom(this);
  }

  set family(family: Family) {
    const { stamps } = this.ring;
    if (stamps !== null) stamps.areOf(family, this.ring.nextToken);
  }

  // Replies

  open(): number {
    return this.ring.open();
  }

  get lastToken(): number {
    return this.ring.lastToken;
  }

  get isMuted(): boolean {
    return this.ring.isMuted;
  }

  set isMuted(isMuted: boolean) {
    this.ring.isMuted = isMuted;
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    if (this.life.isClosed) return;
    this.host.times?.keys.replied(this, token, count, bytes, start, end);
    this.ring.settle(token, count, bytes, start, end);
    this.settled(count, end - start);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    if (this.life.isClosed) return;
    this.tally(POOL.forward_error, count);
    if (this.trace !== null) this.trace.failure = failure;
    const wordIt = (failed: number): Buffer => this.frontend.failureReply(failure, failed);
    this.settled(count, this.ring.settleEach(token, count, wordIt));
  }

  reply(token: number, bytes: Buffer): void {
    if (this.life.isClosed) return;
    this.host.times?.keys.replied(this, token, 1, bytes, 0, bytes.length);
    this.ring.settle(token, 1, bytes, 0, bytes.length);
    this.settled(1, bytes.length);
  }

  compose(token: number): ByteQueue | null {
    return this.ring.isHead(token) ? this.out : null;
  }

  composed(bytes: number): void {
    this.ring.advance(1);
    this.settled(1, bytes);
  }

  failureReply(failure: Failure, token: number): Buffer {
    return this.frontend.failureReply(failure, token);
  }

  get unsentBytes(): number {
    return this.out.size;
  }

  get isFull(): boolean {
    return this.outflow.isFull;
  }

  waitForRoom(waiter: Wakeable): void {
    this.outflow.waitForRoom(waiter);
  }

  hold(holder: ReplyHolder, bytes: number): void {
    this.unread.hold(holder, bytes);
  }

  letGo(holder: ReplyHolder, bytes: number): void {
    this.unread.letGo(holder, bytes);
  }

  keep(by: number): void {
    if (!this.life.isClosed) this.unread.keep(by);
  }

  push(bytes: Buffer, start: number, end: number): void {
    if (!this.life.takesRequests) return;
    this.out.appendKept(bytes, start, end);
    if (this.out.held > PUSHED_OUTPUT_MAX_BYTES) this.cut("unread");
    else this.settled(0, end - start);
  }

  /** To be called after `count` replies of `bytes` together were put into ring or out-queue. */
  private settled(count: number, bytes: number): void {
    if (this.isSettled && this.intake.awaitsReplies) this.host.turn.wake(this);
    this.window.adapt(count, bytes, this.ring.pending);
    const { times } = this.host;
    if (count > 0 && times !== null) {
      this.ring.stamps?.replied(count, bytes);
      if (times.slow.noted !== null) this.trace?.note(times.slow.noted, bytes / count);
    }
    if (this.unread.add()) this.host.turn.mark(this);
  }

  cut(reason: CutReason): void {
    this.tally(reason === "unread" ? POOL.client_output_cut : POOL.client_memory_cut, 1);
    this.host.onSessionCut(this, reason);
    this.close();
  }

  onSlow(token: number, count: number, family: number, tookUs: number): void {
    this.host.times?.slow.answered(this, token, count, family, tookUs);
  }

  // Moving to another process

  get canMove(): boolean {
    return this.life.takesRequests && this.stream.isMovable;
  }

  get isReadyToMove(): boolean {
    return this.canMove && this.frontend.isReadyToMove;
  }

  /** Begins with what its predecessor had not written yet. To be called before `attach`. */
  inherit(output: Buffer): void {
    if (output.length === 0) return;
    this.out.appendKept(output, 0, output.length);
    this.host.turn.mark(this);
  }

  // Writing

  flush(): void {
    if (this.life.isClosed) return;
    this.ring.copyKept();
    this.ring.measure(this.turn);
    const result = this.out.writeTo(this.stream);
    this.unread.wrote();
    // The close event follows, or came inside of the call.
    if (result === GONE || this.life.isClosed) return;
    if (this.out.held >= SESSION_OUTPUT_HIGH_BYTES) this.window.shrink();
    this.outflow.onWritten();
    if (this.life.takesRequests) {
      if (this.move.tellIfReady()) return;
      this.intake.onWritten(result === WRITTEN);
    }
    this.life.onWritten();
  }

  onDrain(): void {
    this.flush();
  }

  // Ending

  onEnd(): void {
    this.life.onEnd();
  }

  onClose(cause: string): void {
    if (this.life.isClosed) return;
    if (cause !== "") this.tally(POOL.client_err, 1);
    // Behind the proxy's own FIN, the client's is told like this.
    else if (this.outflow.hasEnded) this.life.onEnd();
    if (!this.life.isClosed) this.release();
  }

  endOutput(): void {
    this.outflow.end();
  }

  finish(): void {
    this.life.finish();
  }

  finishByReset(): void {
    this.life.finishByReset();
  }

  /** Ends as soon as nothing is in flight. */
  drain(): void {
    this.life.drain();
  }

  close(): void {
    if (this.life.isClosed) return;
    this.release();
    this.stream.close();
  }

  reset(): void {
    if (this.life.isClosed) return;
    this.release();
    this.stream.abort();
  }

  tally(counter: number, by: number): void {
    this.host.counters[this.host.countersBase + counter]! += by;
  }

  /** There is no connection any more, or it is another process's. */
  release(): void {
    this.life.close();
    this.way.beKnown();
    this.unread.clear();
    this.intake.forget();
    this.frontend.close();
    this.host.onSessionClosed(this);
  }
}
