/**
 * One connected socket behind the Stream contract.
 *
 * For as long as it is read one operation receives, and completes with each receipt. `Output` sends.
 */
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { copyOf } from "../../base/copy-of.ts";
import { UNSENT_LINGER_MS } from "../../base/limits.ts";
import { originOf } from "../../base/origin.ts";
import {
  CQE_BUFFER,
  CQE_BUFFER_SHIFT,
  POLL,
  POLL_CHANGES,
  POLL_GONE,
  RECEIVE,
} from "../../os/io-uring.ts";
import { errnoName, isPassingError } from "../../os/os-error.ts";
import { endOutput, resetOnClose } from "../../os/socket-end.ts";
import { localIpAndPort, peerIpAndPort, peerUser, socketError } from "../../os/socket-facts.ts";
import { isTcp, setQuickAck, unacknowledgedBytes } from "../../os/tcp-options.ts";
import type { Operator, UringLoop } from "./loop.ts";
import { AWAITING_HANG_UP, AWAITING_ROOM, Operations, RECEIVING, SENDING } from "./operations.ts";
import { Output, type OutputOwner } from "./output.ts";
import type { PacedTask } from "./paced-work.ts";

/** Why a connection is gone to which nothing could be written. */
const RESET = "ECONNRESET";
/** After this it is tried again to receive, when there was no memory for it. */
const RETRY_MS = 1;
/** They say that receiving has stopped, and nothing of the connection. */
const STOPPED = ["ECANCELED", "ENOBUFS", "EINTR"];

/** Of streams that are seldom paused, as most are. Never written to. */
const NONE_KEPT: Buffer[] = [];

/** In place of the result with which receiving ends. */
const NO_END = 1;

/** What is done when all that was taken is sent. */
type AfterSends = "go on" | "end output" | "close";

export class UringStream implements Stream, Operator, OutputOwner, PacedTask {
  readonly isMovable = true;
  /** What comes is acknowledged at once, not with the next bytes that go: one system call and one packet more. */
  isQuicklyAcked = false;

  private readonly loop: UringLoop;
  private readonly operations: Operations;
  private readonly output: Output;
  private readonly isHalfOpen: boolean;
  /** Null: it is closed, as far as its user is concerned. */
  private events: StreamEvents | null;
  private isPaused = false;
  /** Nothing is received before the turn is over. */
  private isQuiet = false;
  private isCancelled = false;
  private hasEnded = false;
  /** What receiving has ended with, and is to be dealt with: 0 or an error below it. */
  private ending = NO_END;
  /** Received while it was paused. */
  private kept: Buffer[] = NONE_KEPT;
  private isOutputEnded = false;
  private afterSends: AfterSends = "go on";
  /** The connection is gone, as a send has found, and its cause; null: it is not. */
  private lost: string | null = null;
  private cancelLinger: (() => void) | null = null;

  /** @param fd is owned from now on @param isHalfOpen it is not closed when the other end has ended its direction */
  constructor(loop: UringLoop, fd: number, events: StreamEvents, isHalfOpen: boolean) {
    this.loop = loop;
    this.operations = new Operations(loop, fd, this);
    this.output = new Output(this.operations, this);
    this.events = events;
    this.isHalfOpen = isHalfOpen;
  }

  /** For the engine: from now on `events` hears of it, and it is read. Of an end that came before, `events` hears at once. */
  giveTo(events: StreamEvents): void {
    if (this.events === null) {
      events.onClose("");
      return;
    }
    this.events = events;
    this.receiveOn();
  }

  get fd(): number {
    return this.events === null ? -1 : this.operations.fd;
  }

  get peer(): string {
    if (this.events === null) return "closed";
    return peerIpAndPort(this.fd)?.join(":") ?? "unix";
  }

  get origin(): string {
    if (this.events === null) return "closed";
    const peer = peerIpAndPort(this.fd);
    return peer === null ? `uid ${peerUser(this.fd)}` : originOf(peer[0]);
  }

  get localAddress(): string {
    if (this.events === null) return "closed";
    return localIpAndPort(this.fd)?.join(":") ?? "unix";
  }

  onCompletion(kind: number, result: number, flags: number): void {
    const { operations, output } = this;
    operations.onCompletion(kind, flags);
    if (kind === RECEIVING) this.onReceived(result, flags);
    else if (kind === SENDING) output.onSent(result);
    else if (kind === AWAITING_ROOM) output.onRoom(result);
    else if (this.events !== null) this.onHangUp(result);
    operations.onCompletionDone();
  }

  // Receiving

  private onReceived(result: number, flags: number): void {
    const { buffers } = this.loop;
    if ((flags & CQE_BUFFER) !== 0) {
      const number = flags >>> CQE_BUFFER_SHIFT;
      const start = buffers.startOf(number);
      if (result > 0) this.hear(buffers.bytes, start, start + result);
      buffers.giveBack(number, result);
    }
    if (result > 0) this.receiveOn();
    else if (result === 0 || !this.goesOn(-result)) {
      this.ending = result;
      this.loop.paced.add(this);
    }
  }

  /** See PacedTask: the connection has ended. */
  goOn(): void {
    const result = this.ending;
    this.ending = NO_END;
    if (result === 0) this.onEnd();
    else {
      this.hearKept(false);
      this.finish(this.lost ?? errnoName(-result));
    }
  }

  private hear(bytes: Buffer, start: number, end: number): void {
    const { events } = this;
    if (events === null) return;
    if (this.isPaused || this.kept.length > 0) {
      if (this.kept === NONE_KEPT) this.kept = [];
      this.kept.push(copyOf(bytes, start, end));
      if (this.isPaused) this.stopReceiving();
      return;
    }
    if (this.isQuicklyAcked) setQuickAck(this.fd);
    events.onBytes(bytes, start, end, false);
  }

  /** Unless the kernel does so, or the stream is not to be read. */
  private receiveOn(): void {
    const { operations } = this;
    if (operations.isUnderway(RECEIVING) || this.hasEnded || this.events === null) return;
    if (this.isPaused || this.isQuiet || this.ending !== NO_END) return;
    this.isCancelled = false;
    operations.start(RECEIVING, RECEIVE, 0, 0, 0);
  }

  private stopReceiving(): void {
    if (!this.operations.isUnderway(RECEIVING) || this.isCancelled) return;
    this.isCancelled = true;
    this.operations.cancel(RECEIVING);
  }

  private onEnd(): void {
    // It shows again when the stream is read again.
    if (this.events === null || this.isPaused || this.isQuiet || this.kept.length > 0) return;
    this.hasEnded = true;
    // What looks like a good end is none: the send took the error.
    if (this.lost !== RESET) this.events.onEnd();
    if (this.events === null) return;
    if (this.lost !== null) this.finish(this.lost);
    else if (!this.isHalfOpen) this.finish("");
    else this.awaitHangUp();
  }

  /** Receiving has failed. @returns whether it goes on all the same */
  private goesOn(error: number): boolean {
    // All buffers may have been in use: they are given back at the end of the turn.
    if (STOPPED.includes(errnoName(error))) this.receiveOn();
    else if (isPassingError(error)) this.loop.timer(RETRY_MS, () => this.receiveOn());
    else return false;
    return true;
  }

  private awaitHangUp(): void {
    if (this.operations.isUnderway(AWAITING_HANG_UP)) return;
    this.operations.start(AWAITING_HANG_UP, POLL, 0, POLL_CHANGES, 0);
  }

  /** Perhaps both directions are closed, or the connection is reset. */
  private onHangUp(events: number): void {
    if (events < 0 || (events & POLL_GONE) === 0) {
      this.awaitHangUp();
      return;
    }
    const error = socketError(this.fd);
    this.finish(this.lost ?? (error === 0 ? "" : errnoName(error)));
  }

  pause(): void {
    if (this.events !== null && this.lost === null) this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.kept.length > 0) this.loop.atTurnEnd(() => this.readOn());
    else this.receiveOn();
  }

  private readOn(): void {
    if (this.isPaused || this.isQuiet) return;
    this.hearKept(true);
    this.receiveOn();
  }

  /** @param mayStop not beyond the moment in which it is paused */
  private hearKept(mayStop: boolean): void {
    const { kept } = this;
    while (kept.length > 0 && this.events !== null && !(mayStop && this.isPaused)) {
      const chunk = kept.shift()!;
      this.events.onBytes(chunk, 0, chunk.length, true);
    }
  }

  // Sending

  write(bytes: Buffer, start: number, length: number): number {
    if (this.events === null || this.lost !== null || this.isOutputEnded) return -1;
    return this.output.write(bytes, start, length);
  }

  get undelivered(): number {
    return this.events === null ? 0 : this.output.size + unacknowledgedBytes(this.fd);
  }

  onAllSent(): void {
    const { output } = this;
    if (this.afterSends === "close") {
      this.letGo();
      return;
    }
    if (this.afterSends === "end output") {
      this.afterSends = "go on";
      endOutput(this.operations.fd);
    }
    if (!output.isWanted) return;
    output.isWanted = false;
    this.events?.onDrain();
  }

  /** What was received before that is still heard, and then the end. */
  onSendFailed(code: string): void {
    this.output.clear();
    if (this.events === null) {
      this.letGo();
      return;
    }
    if (this.lost !== null) return;
    // A send that fails means no more than an end on a unix socket.
    const cause = code !== "EPIPE" ? code : isTcp(this.fd) ? RESET : "";
    this.lost = cause;
    this.isPaused = false;
    if (this.hasEnded) this.loop.atTurnEnd(() => this.finish(cause));
    else this.loop.atTurnEnd(() => this.readOn());
  }

  // Ending

  shutdown(): void {
    if (this.events === null || this.isOutputEnded) return;
    this.isOutputEnded = true;
    if (this.output.isSending) this.afterSends = "end output";
    else endOutput(this.fd);
  }

  close(): void {
    const { events } = this;
    if (events === null) return;
    this.events = null;
    this.kept = NONE_KEPT;
    if (this.output.isSending) {
      this.afterSends = "close";
      this.cancelLinger = this.loop.timer(UNSENT_LINGER_MS, () => this.reset());
    } else this.letGo();
    events.onClose("");
  }

  abort(): void {
    const { events } = this;
    if (events === null) return;
    this.events = null;
    this.reset();
    events.onClose("");
  }

  private finish(cause: string): void {
    const { events } = this;
    if (events === null) return;
    this.events = null;
    this.letGo();
    events.onClose(cause);
  }

  private reset(): void {
    resetOnClose(this.operations.fd);
    this.letGo();
  }

  private letGo(): void {
    if (this.operations.fd < 0) return;
    this.cancelLinger?.();
    this.kept = NONE_KEPT;
    this.output.clear();
    this.operations.close();
  }

  // Moving

  quiesce(): void {
    if (this.events === null) return;
    if (!this.isQuiet) {
      this.isQuiet = true;
      this.loop.atTurnEnd(() => this.endQuiet());
    }
    this.stopReceiving();
    this.operations.complete();
    this.hearKept(false);
  }

  private endQuiet(): void {
    this.isQuiet = false;
    this.readOn();
  }

  get unsent(): Buffer {
    return this.output.rest;
  }

  detach(): void {
    if (this.events === null) return;
    this.events = null;
    this.stopReceiving();
    this.operations.complete();
    this.letGo();
  }
}
