/**
 * What a stream sends: a small write goes from a slot at the end of the turn, a large one at once.
 *
 *   write ─▶ slot ─send─▶ kernel
 *              └ what it did not take ─▶ rest ─when there is room─▶ kernel
 *
 * The rest was taken from the writer, so it is kept until it is sent; meanwhile nothing more is taken.
 */
import { copyOf } from "../../base/copy-of.ts";
import { POLL, POLL_CHANGES, POLL_GONE, POLLOUT, SEND } from "../../os/io-uring.ts";
import { errnoName, isPassingError } from "../../os/os-error.ts";
import { SEND_AT_ONCE, sendAtOnce } from "../../os/socket-send.ts";
import { AWAITING_ROOM, type Operations, SENDING } from "./operations.ts";

/** The stream. */
export interface OutputOwner {
  /** All that was taken is sent. */
  onAllSent(): void;
  /** The connection is gone. */
  onSendFailed(code: string): void;
}

const NONE: Buffer = Buffer.alloc(0);

export class Output {
  private readonly operations: Operations;
  private readonly owner: OutputOwner;
  /** A write was refused, in full or in part. */
  isWanted = false;
  /** What was taken and the kernel has not. */
  rest: Buffer = NONE;
  private isAwaitingRoom = false;
  private slot = -1;
  private slotBytes = 0;
  /** Where the send is among those prepared, and at which count of `ring.submits`. */
  private sendAt = 0;
  private sendSubmit = 0;

  constructor(operations: Operations, owner: OutputOwner) {
    this.operations = operations;
    this.owner = owner;
  }

  /** Not all that was taken is sent. */
  get isSending(): boolean {
    return this.slot >= 0 || this.rest.length > 0;
  }

  /** Bytes of that. */
  get size(): number {
    return (this.slot < 0 ? 0 : this.slotBytes) + this.rest.length;
  }

  /** @returns how many it takes, or -1: the connection is gone, as the owner has heard */
  write(bytes: Buffer, start: number, length: number): number {
    if (length === 0) return 0;
    if (this.slot >= 0) return this.join(bytes, start, length);
    const { operations } = this;
    if (this.isAwaitingRoom) {
      this.isWanted = true;
      return 0;
    }
    const { ring, slots } = operations.loop;
    const slot = length > slots.size ? -1 : slots.take();
    if (slot < 0) return this.writeAtOnce(bytes, start, length);
    bytes.copy(slots.bytes, slots.startOf(slot), start, start + length);
    this.slot = slot;
    this.slotBytes = length;
    // First: what is prepared when the ring is full goes with the next one.
    this.sendAt = operations.start(SENDING, SEND, slots.addressOf(slot), length, SEND_AT_ONCE);
    this.sendSubmit = ring.submits;
    return length;
  }

  /** Behind what this turn has written already, as long as the kernel does not have it and there is room. */
  private join(bytes: Buffer, start: number, length: number): number {
    const { ring, slots } = this.operations.loop;
    if (this.sendSubmit !== ring.submits || this.slotBytes + length > slots.size) {
      this.isWanted = true;
      return 0;
    }
    bytes.copy(slots.bytes, slots.startOf(this.slot) + this.slotBytes, start, start + length);
    this.slotBytes += length;
    ring.setLength(this.sendAt, this.slotBytes);
    return length;
  }

  private writeAtOnce(bytes: Buffer, start: number, length: number): number {
    const sent = sendAtOnce(this.operations.fd, bytes, start, length);
    if (sent < 0 && !isPassingError(-sent)) {
      this.owner.onSendFailed(errnoName(-sent));
      return -1;
    }
    const taken = Math.max(sent, 0);
    if (taken < length) {
      this.isWanted = true;
      this.awaitRoom();
    }
    return taken;
  }

  onSent(result: number): void {
    const { slot, slotBytes } = this;
    const { slots } = this.operations.loop;
    const isShort = result >= 0 || isPassingError(-result);
    this.slot = -1;
    if (isShort && result < slotBytes) {
      const start = slots.startOf(slot);
      this.rest = copyOf(slots.bytes, start + Math.max(result, 0), start + slotBytes);
    }
    slots.giveBack(slot);
    if (!isShort) this.owner.onSendFailed(errnoName(-result));
    else if (this.rest.length > 0) this.awaitRoom();
    else this.owner.onAllSent();
  }

  /** What watches for room goes on once it was started: room is reported only behind a send that found too little. */
  private awaitRoom(): void {
    const { operations } = this;
    if (operations.fd < 0) return;
    this.isAwaitingRoom = true;
    if (operations.isUnderway(AWAITING_ROOM)) return;
    operations.start(AWAITING_ROOM, POLL, 0, POLL_CHANGES, POLLOUT);
  }

  /** @param events what the socket is ready for, or an error number, negative */
  onRoom(events: number): void {
    const { rest, operations } = this;
    if (operations.fd < 0 || !this.isAwaitingRoom) return;
    if (events < 0 || (events & (POLLOUT | POLL_GONE)) === 0) {
      this.awaitRoom();
      return;
    }
    this.isAwaitingRoom = false;
    if (rest.length > 0) {
      const sent = sendAtOnce(operations.fd, rest, 0, rest.length);
      if (sent < 0 && !isPassingError(-sent)) {
        this.owner.onSendFailed(errnoName(-sent));
        return;
      }
      this.rest = rest.subarray(Math.max(sent, 0));
      if (this.rest.length > 0) {
        this.awaitRoom();
        return;
      }
    }
    this.owner.onAllSent();
  }

  clear(): void {
    this.rest = NONE;
  }
}
