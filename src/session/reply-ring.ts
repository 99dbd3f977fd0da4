/**
 * The replies that a session owes its client, in the order of the requests.
 *
 *   head ─▶ | ready | waiting | ready | waiting | ◀─ tail
 *
 * A reply for the head goes straight to the out-queue, and takes along whatever behind it is ready; any other is
 * kept until its turn. A slot's number is the token of its request.
 */
import type { ByteQueue } from "../base/byte-queue.ts";
import { copyOf } from "../base/copy-of.ts";
import { PENDING_REPLIES_MAX, PENDING_REPLIES_START } from "../base/limits.ts";

/** Slot numbers wrap here: they stay small integers, and any two in use differ. */
export const TOKEN_MASK = 0x3fffffff;
const EMPTY: Buffer = Buffer.alloc(0);

export class ReplyRing {
  /** Bytes of early replies. */
  keptBytes = 0;
  /** Slots in use. */
  pending = 0;

  private readonly out: ByteQueue;
  /** null: waiting; else the reply (EMPTY where a neighbour's bytes contain it). */
  private slots: (Buffer | null)[] = new Array(PENDING_REPLIES_START).fill(null);
  private mask: number = PENDING_REPLIES_START - 1;
  private head = 0;

  constructor(out: ByteQueue) {
    this.out = out;
  }

  get isFull(): boolean {
    return this.pending >= PENDING_REPLIES_MAX;
  }

  /** Takes the next slot and returns its token. Not when full. */
  open(): number {
    if (this.pending > this.mask) this.grow();
    const token = (this.head + this.pending) & TOKEN_MASK;
    this.pending++;
    return token;
  }

  /** Settles `count` slots from `token` on with the replies in bytes[start, end). Large ranges are kept, not copied. */
  settle(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    if (token === this.head) {
      this.out.appendKept(bytes, start, end);
      this.advance(count);
      return;
    }
    this.keep(token, copyOf(bytes, start, end));
    for (let i = 1; i < count; i++) this.keep((token + i) & TOKEN_MASK, EMPTY);
  }

  /** Settles one slot with a reply that is the ring's to keep from now on. */
  settleKept(token: number, reply: Buffer): void {
    if (token === this.head) {
      this.out.appendKept(reply, 0, reply.length);
      this.advance(1);
    } else {
      this.keep(token, reply);
    }
  }

  /** True when the reply to `token` may be appended to the out-queue piece by piece; `advance(1)` ends it. */
  isHead(token: number): boolean {
    return token === this.head;
  }

  /** Moves over `count` answered slots and whatever behind them is ready. */
  advance(count: number): void {
    this.head = (this.head + count) & TOKEN_MASK;
    this.pending -= count;
    while (this.pending > 0) {
      const at = this.head & this.mask;
      const reply = this.slots[at]!;
      if (reply === null) return;
      this.slots[at] = null;
      this.keptBytes -= reply.length;
      if (reply.length > 0) this.out.appendKept(reply, 0, reply.length);
      this.head = (this.head + 1) & TOKEN_MASK;
      this.pending--;
    }
  }

  private keep(token: number, reply: Buffer): void {
    this.slots[token & this.mask] = reply;
    this.keptBytes += reply.length;
  }

  private grow(): void {
    const larger: (Buffer | null)[] = new Array((this.mask + 1) * 4).fill(null);
    const mask = larger.length - 1;
    for (let i = 0; i < this.pending; i++) {
      larger[(this.head + i) & mask] = this.slots[(this.head + i) & this.mask]!;
    }
    this.slots = larger;
    this.mask = mask;
  }
}
