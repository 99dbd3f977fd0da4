/**
 * One connected socket behind the Stream contract.
 *
 *   receiving: one operation goes on for as long as the stream is read; it completes with each receipt
 *   sending:   a small write goes from a slot at the end of the turn, a large one at once
 *
 * What a completed send left unsent is kept in `rest` and goes when the socket can be written again: it was taken, so it is ours.
 */
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { copyOf } from "../../base/copy-of.ts";
import { UNSENT_LINGER_MS } from "../../base/limits.ts";
import {
  CANCEL,
  CLOSE,
  CQE_BUFFER,
  CQE_BUFFER_SHIFT,
  CQE_MORE,
  POLL,
  RECEIVE,
  SEND,
} from "../../os/io-uring.ts";
import { ERRNO, errnoName, OsError } from "../../os/os-error.ts";
import { endOutput, resetOnClose } from "../../os/socket-end.ts";
import { localIpAndPort, peerIpAndPort, peerUser, socketError } from "../../os/socket-facts.ts";
import { SEND_AT_ONCE, sendAtOnce } from "../../os/socket-send.ts";
import { isTcp, setQuickAck, unacknowledgedBytes } from "../../os/tcp-options.ts";
import { originOf } from "../origin.ts";
import { type Operator, tagOf, type UringLoop } from "./loop.ts";

/** Kinds of operations, each at most once with the kernel; and, shifted, which of them are there. */
const RECEIVING = 1;
const SENDING = 2;
const AWAITING_ROOM = 3;
const AWAITING_HANG_UP = 4;

const POLLOUT = 4;
/** Why a connection is gone to which nothing could be written. */
const RESET = "ECONNRESET";
const NONE: Buffer = Buffer.alloc(0);
/** So often the kernel is entered for what must complete at once. */
const COMPLETE_TRIES = 100;

/** What is done when all that was taken is sent. */
type AfterSends = "go on" | "end output" | "close";

export class UringStream implements Stream, Operator {
  readonly isMovable = true;
  /** What comes is acknowledged at once, not with the next bytes that go: one system call and one packet more. */
  isQuicklyAcked = false;

  private readonly loop: UringLoop;
  private readonly id: number;
  private readonly isHalfOpen: boolean;
  private isUnregistered = false;
  /** -1: it was given up. */
  private socket: number;
  /** Null: it is closed, as far as its user is concerned. */
  private events: StreamEvents | null;
  /** Bits of the operations that are with the kernel. */
  private underway = 0;
  private isPaused = false;
  /** Nothing is received before the turn is over. */
  private isQuiet = false;
  private isCancelled = false;
  private hasEnded = false;
  /** Received while it was paused. */
  private kept: Buffer[] = [];

  private slot = -1;
  private slotBytes = 0;
  /** Where the send is among those prepared, and at which count of `ring.submits`. */
  private sendAt = 0;
  private sendSubmit = 0;
  private rest: Buffer = NONE;
  private wantsDrain = false;
  private isOutputEnded = false;
  private afterSends: AfterSends = "go on";
  /** The connection is gone, as a send has found, and its cause; null: it is not. */
  private lost: string | null = null;
  private cancelLinger: () => void = () => {};

  /** @param socket is owned from now on @param isHalfOpen it is not closed when the other end has ended its direction */
  constructor(loop: UringLoop, socket: number, events: StreamEvents, isHalfOpen: boolean) {
    this.loop = loop;
    this.socket = socket;
    this.events = events;
    this.isHalfOpen = isHalfOpen;
    this.id = loop.register(this);
  }

  /** For the engine: from now on `events` hears of it, and it is read. Of an end that came before, `events` hears at once. */
  giveTo(events: StreamEvents): void {
    if (this.events === null) {
      events.onClose("");
      return;
    }
    this.events = events;
    this.receive();
  }

  get fd(): number {
    return this.events === null ? -1 : this.socket;
  }

  get peer(): string {
    if (this.events === null) return "closed";
    return peerIpAndPort(this.socket)?.join(":") ?? "unix";
  }

  get origin(): string {
    if (this.events === null) return "closed";
    const peer = peerIpAndPort(this.socket);
    return peer === null ? `uid ${peerUser(this.socket)}` : originOf(peer[0]);
  }

  get localAddress(): string {
    if (this.events === null) return "closed";
    return localIpAndPort(this.socket)?.join(":") ?? "unix";
  }

  onCompletion(kind: number, result: number, flags: number): void {
    if ((flags & CQE_MORE) === 0) this.underway &= ~(1 << kind);
    if (kind === RECEIVING) this.onReceived(result, flags);
    else if (kind === SENDING) this.onSent(result);
    else if (kind === AWAITING_ROOM) this.sendRest();
    else if (this.events !== null && this.socket >= 0) this.onHangUp();
    this.unregisterIfDone();
  }

  // Receiving

  private receive(): void {
    if ((this.underway & (1 << RECEIVING)) !== 0 || this.hasEnded || this.socket < 0) return;
    this.isCancelled = false;
    this.prepare(RECEIVING, RECEIVE, 0, 0, 0);
  }

  private onReceived(result: number, flags: number): void {
    const { buffers } = this.loop;
    if ((flags & CQE_BUFFER) !== 0) {
      const number = flags >>> CQE_BUFFER_SHIFT;
      const start = buffers.startOf(number);
      if (result > 0) this.hear(buffers.bytes, start, start + result);
      buffers.giveBack(number);
    }
    if (result > 0) this.receiveOn();
    else if (result === 0) this.onEnd();
    else this.onReceiveFailed(errnoName(-result));
  }

  /** Once more, if the kernel has stopped and the stream is to be read. */
  private receiveOn(): void {
    if (this.events !== null && !this.isPaused && !this.isQuiet) this.receive();
  }

  private hear(bytes: Buffer, start: number, end: number): void {
    const { events } = this;
    if (events === null) return;
    if (this.isPaused || this.kept.length > 0) {
      this.kept.push(copyOf(bytes, start, end));
      if (this.isPaused) this.stopReceiving();
      return;
    }
    if (this.isQuicklyAcked) setQuickAck(this.socket);
    events.onBytes(bytes, start, end, false);
  }

  private stopReceiving(): void {
    if ((this.underway & (1 << RECEIVING)) === 0 || this.isCancelled) return;
    this.isCancelled = true;
    this.cancel(RECEIVING);
  }

  private onEnd(): void {
    // It shows again when the stream is read again.
    if (this.events === null || this.isPaused || this.isQuiet) return;
    if (this.kept.length > 0) return;
    this.hasEnded = true;
    // What looks like a good end is none: the send took the error.
    if (this.lost !== RESET) this.events.onEnd();
    if (this.events === null) return;
    if (this.lost !== null) this.finish(this.lost);
    else if (!this.isHalfOpen) this.finish("");
    else this.prepare(AWAITING_HANG_UP, POLL, 0, 0, 0);
  }

  private onReceiveFailed(code: string): void {
    if (this.events === null) return;
    // Stopped, or all buffers were in use: they are given back at the end of the turn.
    if (code === "ECANCELED" || code === "ENOBUFS" || code === "EINTR") {
      this.receiveOn();
      return;
    }
    if (new OsError("recv", code).isPassing) {
      this.loop.timer(1, () => this.receiveOn());
      return;
    }
    this.hearKept(false);
    this.finish(this.lost ?? code);
  }

  /** Both directions are closed, or the connection is reset. */
  private onHangUp(): void {
    const error = socketError(this.socket);
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
    if (length === 0) return 0;
    const { ring, slots } = this.loop;
    if ((this.underway & (1 << SENDING)) !== 0) {
      const mayJoin = this.sendSubmit === ring.submits && this.slotBytes + length <= slots.size;
      if (!mayJoin) {
        this.wantsDrain = true;
        return 0;
      }
      bytes.copy(slots.bytes, slots.startOf(this.slot) + this.slotBytes, start, start + length);
      this.slotBytes += length;
      ring.setLength(this.sendAt, this.slotBytes);
      return length;
    }
    if ((this.underway & (1 << AWAITING_ROOM)) !== 0) {
      this.wantsDrain = true;
      return 0;
    }
    const slot = length > slots.size ? -1 : slots.take();
    if (slot < 0) return this.writeAtOnce(bytes, start, length);
    this.slot = slot;
    this.slotBytes = length;
    this.sendSubmit = ring.submits;
    bytes.copy(slots.bytes, slots.startOf(slot), start, start + length);
    this.sendAt = this.prepare(SENDING, SEND, slots.addressOf(slot), length, SEND_AT_ONCE);
    return length;
  }

  get undelivered(): number {
    if (this.events === null) return 0;
    const unsent = this.slot < 0 ? 0 : this.slotBytes;
    return unsent + this.rest.length + unacknowledgedBytes(this.socket);
  }

  private writeAtOnce(bytes: Buffer, start: number, length: number): number {
    const sent = sendAtOnce(this.socket, bytes, start, length);
    if (sent < 0 && !isShortOf(sent)) {
      this.lose(errnoName(-sent));
      return -1;
    }
    const taken = Math.max(sent, 0);
    if (taken < length) {
      this.wantsDrain = true;
      this.awaitRoom();
    }
    return taken;
  }

  private onSent(result: number): void {
    const { slot, slotBytes } = this;
    const { slots } = this.loop;
    this.slot = -1;
    if (result < slotBytes && (result >= 0 || isShortOf(result))) {
      const start = slots.startOf(slot);
      this.rest = copyOf(slots.bytes, start + Math.max(result, 0), start + slotBytes);
    }
    slots.giveBack(slot);
    if (result < 0 && !isShortOf(result)) this.lose(errnoName(-result));
    else if (this.rest.length > 0) this.awaitRoom();
    else this.onAllSent();
  }

  private awaitRoom(): void {
    if (this.socket < 0 || (this.underway & (1 << AWAITING_ROOM)) !== 0) return;
    this.prepare(AWAITING_ROOM, POLL, 0, 0, POLLOUT);
  }

  /** The socket can be written again, or is gone. */
  private sendRest(): void {
    const { rest } = this;
    if (this.socket < 0) return;
    if (rest.length > 0) {
      const sent = sendAtOnce(this.socket, rest, 0, rest.length);
      if (sent < 0 && !isShortOf(sent)) {
        this.lose(errnoName(-sent));
        return;
      }
      this.rest = rest.subarray(Math.max(sent, 0));
      if (this.rest.length > 0) {
        this.awaitRoom();
        return;
      }
    }
    this.onAllSent();
  }

  private onAllSent(): void {
    if (this.afterSends === "close") {
      this.letGo();
      return;
    }
    if (this.afterSends === "end output") {
      this.afterSends = "go on";
      endOutput(this.socket);
    }
    if (!this.wantsDrain) return;
    this.wantsDrain = false;
    this.events?.onDrain();
  }

  /** A send found that the connection is gone. What was received before that is still heard, and then the end. */
  private lose(code: string): void {
    this.rest = NONE;
    if (this.events === null) {
      this.letGo();
      return;
    }
    if (this.lost !== null) return;
    // A send that fails means no more than an end on a unix socket.
    this.lost = code !== "EPIPE" ? code : isTcp(this.socket) ? RESET : "";
    const wasPaused = this.isPaused;
    this.isPaused = false;
    if (this.hasEnded) this.loop.atTurnEnd(() => this.finish(this.lost ?? code));
    else if (wasPaused || this.kept.length > 0) this.loop.atTurnEnd(() => this.readOn());
    else this.receiveOn();
  }

  private get isSending(): boolean {
    return (this.underway & (1 << SENDING)) !== 0 || this.rest.length > 0;
  }

  // Ending

  shutdown(): void {
    if (this.events === null || this.isOutputEnded) return;
    this.isOutputEnded = true;
    if (this.isSending) this.afterSends = "end output";
    else endOutput(this.socket);
  }

  close(): void {
    const { events } = this;
    if (events === null) return;
    this.events = null;
    this.kept = [];
    if (this.isSending) {
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

  private reset(): void {
    if (this.socket >= 0) resetOnClose(this.socket);
    this.letGo();
  }

  private finish(cause: string): void {
    const { events } = this;
    if (events === null) return;
    this.events = null;
    this.letGo();
    events.onClose(cause);
  }

  /** Gives the descriptor up; the operations that are with the kernel end. */
  private letGo(): void {
    const { socket } = this;
    if (socket < 0) return;
    this.cancelLinger();
    for (const kind of [RECEIVING, AWAITING_ROOM, AWAITING_HANG_UP]) {
      if ((this.underway & (1 << kind)) !== 0) this.cancel(kind);
    }
    // Behind all that was prepared for it: the number may stand for another socket from then on.
    this.loop.ring.prepare(CLOSE, socket, 0, 0, 0, 0);
    this.socket = -1;
    this.kept = [];
    this.rest = NONE;
    this.unregisterIfDone();
  }

  private unregisterIfDone(): void {
    if (this.socket >= 0 || this.underway !== 0 || this.isUnregistered) return;
    this.isUnregistered = true;
    this.loop.unregister(this.id);
  }

  // Moving

  quiesce(): void {
    if (this.events === null) return;
    if (!this.isQuiet) {
      this.isQuiet = true;
      this.loop.atTurnEnd(this.endQuiet);
    }
    this.stopReceiving();
    this.completeAll((1 << RECEIVING) | (1 << SENDING));
    this.hearKept(false);
  }

  private readonly endQuiet = (): void => {
    this.isQuiet = false;
    if (!this.isPaused) this.readOn();
  };

  private completeAll(operations: number): void {
    for (let tries = 0; (this.underway & operations) !== 0; tries++) {
      if (tries === COMPLETE_TRIES) throw new OsError("io_uring_enter", "EBUSY");
      this.loop.complete(this.id);
    }
  }

  get unsent(): Buffer {
    return this.rest;
  }

  detach(): void {
    if (this.events === null) return;
    this.events = null;
    this.stopReceiving();
    this.completeAll((1 << RECEIVING) | (1 << SENDING));
    this.letGo();
  }

  // Operations

  private prepare(
    kind: number,
    what: number,
    address: number,
    length: number,
    flags: number,
  ): number {
    this.underway |= 1 << kind;
    return this.loop.ring.prepare(what, this.socket, address, length, flags, tagOf(this.id, kind));
  }

  private cancel(kind: number): void {
    this.loop.ring.prepare(CANCEL, -1, tagOf(this.id, kind), 0, 0, 0);
  }
}

/** The socket takes nothing now, but will. */
function isShortOf(result: number): boolean {
  const code = -result;
  return (
    code === ERRNO["EAGAIN"] ||
    code === ERRNO["EINTR"] ||
    code === ERRNO["ENOBUFS"] ||
    code === ERRNO["ENOMEM"]
  );
}
