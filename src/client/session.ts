/**
 * One client's connection: reads requests, owes replies in their order, and closes cleanly.
 *
 *   socket ─▶ input ─▶ frontend.consume ─▶ upstream connections
 *   socket ◀─ out ◀─ ring ◀─ onReplies / onFailure ◀─┘
 *
 * Backpressure: with too many replies owed, too much output unread or a full upstream queue the session stops taking
 * requests (and, with input at hand, stops reading) until that is over. A shared upstream connection is never
 * paused for one client's sake, so a client that reads nothing is cut at its output limit.
 */
import type { ClientPort, ReplyHolder } from "../api/client-port.ts";
import { TOKEN_MASK } from "../api/client-port.ts";
import type { Frontend } from "../api/frontend.ts";
import type { SavedSession } from "../api/move.ts";
import { POOL } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure, UpstreamConnection } from "../api/upstream.ts";
import { ByteQueue, GONE, WRITTEN } from "../base/byte-queue.ts";
import { copyOf } from "../base/copy-of.ts";
import { InputBuffer } from "../base/input-buffer.ts";
import {
  BLOCKED_END_MS,
  BLOCKED_INPUT_BYTES_MAX,
  LINGER_MS,
  PUSHED_OUTPUT_MAX_BYTES,
  SESSION_OUTPUT_HIGH_BYTES,
  SESSION_OUTPUT_LOW_BYTES,
} from "../base/limits.ts";
import type { Flushable, Turn } from "../base/turn.ts";
import { ReplyRing } from "./reply-ring.ts";
import { ReplyWindow } from "./reply-window.ts";
import type { SessionHost } from "./session-host.ts";
import { Unread } from "./unread.ts";

export class Session implements ClientPort, StreamEvents, Flushable {
  readonly takesRuns = true;
  isMarked = false;
  isWoken = false;
  readonly turn: Turn;
  readonly lane: number;
  readonly origin: string;
  /** Written by this class, and looked at by `Unread`. */
  readonly ring: ReplyRing;
  readonly out: ByteQueue = new ByteQueue();
  readonly host: SessionHost;
  readonly unread: Unread;
  frontend!: Frontend;
  private readonly stream: Stream;
  private readonly input: InputBuffer = new InputBuffer();
  private isClosed = false;
  private hasEnded = false;
  private isPaused = false;
  /** No requests are taken any more: the client ended, or its last request was the last one. */
  private isFinishing = false;
  private isLingering = false;
  private isDraining = false;
  /** Takes no requests until it is woken. */
  private isWaiting = false;
  private wakesWhenSettled = false;
  /** The reply that is waited for may take as long as it likes: the client is watched meanwhile, so that it may leave. */
  private isBlocked = false;
  private blockedAtMs = 0;
  private onSettledForMove: (() => void) | null = null;
  private readonly window: ReplyWindow = new ReplyWindow();

  constructor(host: SessionHost, stream: Stream, lane: number) {
    this.host = host;
    this.turn = host.turn;
    this.stream = stream;
    this.lane = lane;
    this.origin = stream.origin;
    this.ring = new ReplyRing(this.out);
    this.unread = new Unread(this);
  }

  /** To be called once, before the first byte. */
  attach(frontend: Frontend): void {
    this.frontend = frontend;
  }

  get peer(): string {
    return this.stream.peer;
  }

  get localAddress(): string {
    return this.stream.localAddress;
  }

  get fd(): number {
    return this.stream.fd;
  }

  get isOpen(): boolean {
    return !this.isClosed;
  }

  /** Nothing is owed, unsent or half received. */
  get isIdle(): boolean {
    return this.ring.pending === 0 && this.out.size === 0 && this.input.size === 0;
  }

  // Requests

  onBytes(chunk: Buffer): void {
    if (this.isFinishing) return;
    this.input.add(chunk, this.frontend.need, false);
    this.takeRequests();
  }

  wakeUp(): void {
    if (this.isBlocked && !this.isSettled) {
      this.setPaused(this.isUnwatchable);
      return;
    }
    // Woken for another reason, and who the client is going to be may hang on the reply that is awaited.
    if (this.wakesWhenSettled && !this.isSettled) return;
    this.isBlocked = false;
    this.isWaiting = false;
    if (this.isClosed || this.isFinishing) return;
    this.takeRequests();
  }

  private takeRequests(): void {
    const { input } = this;
    input.start = this.frontend.consume(input.bytes, input.start, input.end);
    if (this.isClosed) return;
    if (this.isFinishing) {
      input.clear();
      return;
    }
    const mustStop = !this.mayTakeMore();
    input.keepRest();
    this.setPaused(mustStop && !(this.isBlocked && !this.isUnwatchable));
    if (this.hasEnded && !mustStop) this.finish();
    else if (this.isDraining) this.finishIfIdle();
  }

  mayTakeMore(): boolean {
    return (
      !this.isFinishing &&
      !this.isWaiting &&
      this.onSettledForMove === null &&
      this.window.allows(this.ring.pending) &&
      !this.ring.isFull &&
      this.out.held < SESSION_OUTPUT_HIGH_BYTES
    );
  }

  get owed(): number {
    return this.ring.pending;
  }

  get isSettled(): boolean {
    return this.ring.pending === 0;
  }

  waitUntilSettled(): void {
    this.isWaiting = true;
    this.wakesWhenSettled = true;
  }

  waitBlocked(): void {
    this.isBlocked = true;
    this.blockedAtMs = this.host.turn.nowMs;
    this.waitUntilSettled();
    if (this.hasEnded) this.closeIfBlocked();
  }

  /** For a client that has ended: no reply will come before somebody else does something. */
  private closeIfBlocked(): void {
    const { turn, schedule } = this.host;
    const { blockedAtMs } = this;
    const leftMs = blockedAtMs + BLOCKED_END_MS - turn.nowMs;
    const check = (): void => {
      if (this.isBlocked && !this.isSettled && this.blockedAtMs === blockedAtMs) this.close();
    };
    if (leftMs > 0) schedule(leftMs, check);
    else check();
  }

  /** Too much has come in to go on reading only to see the client leave. */
  private get isUnwatchable(): boolean {
    return this.onSettledForMove !== null || this.input.size > BLOCKED_INPUT_BYTES_MAX;
  }

  waitForWake(): void {
    this.isWaiting = true;
  }

  waitFor(connection: Pick<UpstreamConnection, "waitForRoom">): void {
    this.isWaiting = true;
    connection.waitForRoom(this);
  }

  private setPaused(mustPause: boolean): void {
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.stream.pause();
    else this.stream.resume();
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
    if (this.isClosed) return;
    this.ring.settle(token, count, bytes, start, end);
    this.settled(count, (end - start) / count);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    if (this.isClosed) return;
    this.tally(POOL.forward_error, count);
    let length = 0;
    for (let i = 0; i < count; i++) {
      const failed = (token + i) & TOKEN_MASK;
      const reply = this.frontend.failureReply(failure, failed);
      this.ring.settle(failed, 1, reply, 0, reply.length);
      length = reply.length;
    }
    this.settled(count, length);
  }

  reply(token: number, bytes: Buffer): void {
    if (this.isClosed) return;
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

  hold(holder: ReplyHolder, bytes: number): void {
    this.unread.hold(holder, bytes);
  }

  letGo(holder: ReplyHolder, bytes: number): void {
    this.unread.letGo(holder, bytes);
  }

  push(bytes: Buffer, start: number, end: number): void {
    if (this.isClosed || this.isFinishing) return;
    this.out.appendKept(bytes, start, end);
    if (this.out.held > PUSHED_OUTPUT_MAX_BYTES) this.cut();
    else this.settled(0, end - start);
  }

  /** To be called after `count` replies of about `bytes` each were put into ring or out-queue. */
  private settled(count: number, bytes: number): void {
    if (this.wakesWhenSettled && this.isSettled) {
      this.wakesWhenSettled = false;
      this.host.turn.wake(this);
    }
    this.window.adapt(count, bytes, this.ring.pending);
    if (this.unread.add()) this.host.turn.mark(this);
  }

  /** Closes because too much is unread. */
  cut(): void {
    this.tally(POOL.client_output_cut, 1);
    this.close();
  }

  // Moving to another process

  get canMove(): boolean {
    return !this.isClosed && !this.isFinishing;
  }

  get isReadyToMove(): boolean {
    return this.canMove && this.frontend.isReadyToMove;
  }

  /** Takes no more requests, and calls `onSettled`, maybe again and again, when it `isReadyToMove`. */
  beginMove(onSettled: () => void): void {
    this.onSettledForMove = onSettled;
    this.setPaused(true);
    this.host.turn.mark(this);
  }

  /** It stays after all. */
  cancelMove(): void {
    this.onSettledForMove = null;
    if (!this.isClosed) this.host.turn.wake(this);
  }

  /** All that its successor must know. The buffers are copies. */
  save(): SavedSession {
    const { bytes, start, end } = this.input;
    return {
      client: this.frontend.saveState(),
      input: copyOf(bytes, start, end),
      output: this.out.toBuffer(),
      descriptors: this.frontend.descriptors,
    };
  }

  /** Its successor has the connection. */
  leave(): void {
    this.stream.detach();
    this.frontend.leave();
    this.release();
  }

  /** Begins with what its predecessor had not written yet. To be called before `attach`. */
  inherit(output: Buffer): void {
    if (output.length === 0) return;
    this.out.appendKept(output, 0, output.length);
    this.host.turn.mark(this);
  }

  /** Goes on with what its predecessor had received. To be called after `attach`. */
  resume(input: Buffer): void {
    if (input.length > 0) this.onBytes(input);
  }

  // Writing

  flush(): void {
    if (this.isClosed) return;
    this.ring.copyKept();
    const result = this.out.writeTo(this.stream);
    this.unread.wrote();
    // The close event follows or came; `isClosed` may have changed inside the call.
    if (result === GONE || this.isClosed) return;
    if (this.out.held >= SESSION_OUTPUT_HIGH_BYTES) this.window.shrink();
    if (this.isFinishing) {
      this.finishIfDone();
      return;
    }
    if (this.onSettledForMove !== null && this.isReadyToMove) {
      this.onSettledForMove();
      return;
    }
    const hasRoom = result === WRITTEN || this.out.size < SESSION_OUTPUT_LOW_BYTES;
    if (this.isPaused && hasRoom && this.mayTakeMore()) this.host.turn.wake(this);
    if (this.isDraining) this.finishIfIdle();
  }

  onDrain(): void {
    this.flush();
  }

  // Ending

  onEnd(): void {
    if (this.isLingering) {
      this.close();
      return;
    }
    this.tally(POOL.client_eof, 1);
    this.hasEnded = true;
    if (this.isBlocked) this.closeIfBlocked();
    // With requests left that were only held back, `takeRequests` finishes.
    else if (!this.isPaused) this.finish();
  }

  onClose(cause: string): void {
    if (this.isClosed) return;
    if (cause !== "") this.tally(POOL.client_err, 1);
    this.release();
  }

  finish(): void {
    if (this.isFinishing) return;
    this.isFinishing = true;
    this.host.turn.mark(this);
  }

  private finishIfDone(): void {
    if (this.ring.pending > 0 || this.out.size > 0 || this.isClosed) return;
    if (this.hasEnded) {
      this.close();
    } else if (!this.isLingering) {
      // Closing with input unread would reset the connection, and the last reply might be lost with it.
      this.isLingering = true;
      this.stream.shutdown();
      this.setPaused(false);
      this.host.schedule(LINGER_MS, () => this.close());
    }
  }

  /** Ends as soon as nothing is in flight. */
  drain(): void {
    this.isDraining = true;
    this.finishIfIdle();
  }

  private finishIfIdle(): void {
    if (this.isIdle) this.finish();
  }

  close(): void {
    if (this.isClosed) return;
    this.release();
    this.stream.close();
  }

  private tally(counter: number, by: number): void {
    this.host.counters[this.host.countersBase + counter]! += by;
  }

  private release(): void {
    this.isClosed = true;
    this.unread.clear();
    this.input.clear();
    this.frontend.close();
    this.host.onSessionClosed(this);
  }
}
