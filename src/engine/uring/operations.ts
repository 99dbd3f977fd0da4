/**
 * The operations of one socket that are with the kernel: of each kind at most one. The descriptor is closed behind all of them, and
 * the id given back when the last has ended.
 */
import { CANCEL, CLOSE, CQE_MORE } from "../../os/io-uring.ts";
import { OsError } from "../../os/os-error.ts";
import { type Operator, tagOf, type UringLoop } from "./loop.ts";

/** Kinds of operations. */
export const RECEIVING = 1;
export const SENDING = 2;
export const AWAITING_ROOM = 3;
export const AWAITING_HANG_UP = 4;

/** They end by themselves at once; the others are cancelled with the socket. */
const CANCELLABLE = [RECEIVING, AWAITING_ROOM, AWAITING_HANG_UP];
/** So often the kernel is entered for what must complete at once. */
const COMPLETE_TRIES = 100;

export class Operations {
  readonly loop: UringLoop;
  /** -1: it was given up. */
  fd: number;
  private readonly id: number;
  /** Bits of those that are with the kernel. */
  private underway = 0;
  private isUnregistered = false;

  /** @param fd is owned from now on */
  constructor(loop: UringLoop, fd: number, operator: Operator) {
    this.loop = loop;
    this.fd = fd;
    this.id = loop.register(operator);
  }

  isUnderway(kind: number): boolean {
    return (this.underway & (1 << kind)) !== 0;
  }

  /** See `IoUring.prepare`. */
  start(kind: number, what: number, address: number, length: number, flags: number): number {
    this.underway |= 1 << kind;
    return this.loop.ring.prepare(what, this.fd, address, length, flags, tagOf(this.id, kind));
  }

  /** It completes once more, if only to say that it was cancelled. */
  cancel(kind: number): void {
    this.loop.ring.prepare(CANCEL, -1, tagOf(this.id, kind), 0, 0, 0);
  }

  /** To be called first when one has completed. */
  onCompletion(kind: number, flags: number): void {
    if ((flags & CQE_MORE) === 0) this.underway &= ~(1 << kind);
  }

  /** To be called last. */
  onCompletionDone(): void {
    if (this.fd >= 0 || this.underway !== 0 || this.isUnregistered) return;
    this.isUnregistered = true;
    this.loop.unregister(this.id);
  }

  /** Returns when neither receiving nor sending is with the kernel any more; both were cancelled, or end by themselves. */
  complete(): void {
    const bits = (1 << RECEIVING) | (1 << SENDING);
    for (let tries = 0; (this.underway & bits) !== 0; tries++) {
      if (tries === COMPLETE_TRIES) throw new OsError("io_uring_enter", "EBUSY");
      this.loop.complete(this.id);
    }
  }

  /** Gives the descriptor up. */
  close(): void {
    for (const kind of CANCELLABLE) if (this.isUnderway(kind)) this.cancel(kind);
    // Behind all that was prepared for it: the number may stand for another socket from then on.
    this.loop.ring.prepare(CLOSE, this.fd, 0, 0, 0, 0);
    this.fd = -1;
    this.onCompletionDone();
  }
}
