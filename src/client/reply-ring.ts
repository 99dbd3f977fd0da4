/**
 * The replies that a session owes its client, in the order of the requests.
 *
 *   head ─▶ | ready | waiting | ready | waiting | ◀─ tail
 *
 * A reply for the head goes straight to the out-queue, and takes along whatever behind it is ready. Any other is
 * kept until its turn: by reference while the event loop's turn lasts, because mostly the missing ones are in the next
 * socket's chunk; as a copy after that (`copyKept`), so that a few bytes do not pin what they came in.
 * An empty reply refers to nothing. A slot's number is the token of its request. How long slots that were passed took is measured
 * when their replies are written (`stamps`).
 */
import { TOKEN_MASK } from "../api/client-port.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import { noteBorrowed, noteKept } from "../base/byte-use.ts";
import { releaseCopyBlock, takeCopyBlock } from "../base/copy-blocks.ts";
import { isWorthKeeping } from "../base/copy-of.ts";
import { PENDING_REPLIES_MAX, PENDING_REPLIES_START } from "../base/limits.ts";
import type { Turn } from "../base/turn.ts";
import type { ClientTimes } from "./client-times.ts";
import { Stamps } from "./stamps.ts";

const NONE: Buffer = Buffer.alloc(0);
// What a ring looks at that has not kept anything yet: most clients never get a reply out of turn. Never written to.
const NO_REPLIES: (Buffer | null)[] = new Array(PENDING_REPLIES_START).fill(null);
const NO_NUMBERS: Int32Array = new Int32Array(PENDING_REPLIES_START);
const NO_FLAGS: Uint8Array = new Uint8Array(PENDING_REPLIES_START);

export class ReplyRing {
  /** Bytes of memory that early replies take: of borrowed ones their own, of kept ones what was allocated for them. */
  held = 0;
  /** Slots in use. */
  pending = 0;
  /**
   * The client wants no replies to what follows: slots that are opened now settle to nothing. Several slots may be settled at
   * once only when all or none of them are muted: between the two there must be a slot that is settled alone.
   */
  isMuted = false;
  readonly stamps: Stamps | null;

  private readonly out: ByteQueue;
  /** What a slot's reply lies in, or null while it is waited for. Its neighbours' bytes may contain it: then it is empty. */
  private replies: (Buffer | null)[] = NO_REPLIES;
  private starts: Int32Array = NO_NUMBERS;
  private ends: Int32Array = NO_NUMBERS;
  private mask: number = PENDING_REPLIES_START - 1;
  private head = 0;
  /** 1: the slot's reply refers to bytes that are not the ring's own. */
  private borrowed: Uint8Array = NO_FLAGS;
  /** Bytes of such replies. */
  private borrowedBytes = 0;
  /** Bytes that no slot refers to any more once this one is passed: those of a buffer of which it has the last reply. */
  private lasts: Int32Array = NO_NUMBERS;
  /** 1: the slot is muted. */
  private muted: Uint8Array = NO_FLAGS;
  /** So many are; mostly none. */
  private mutedCount = 0;

  /** @param times null: nothing is measured */
  constructor(out: ByteQueue, times: ClientTimes | null = null) {
    this.out = out;
    this.stamps = times === null ? null : new Stamps(times);
  }

  get isFull(): boolean {
    return this.pending >= PENDING_REPLIES_MAX;
  }

  /** The slot that was opened last; only while one is open. */
  get lastToken(): number {
    return (this.head + this.pending - 1) & TOKEN_MASK;
  }

  /** Token of the slot that will be opened next. */
  get nextToken(): number {
    return (this.head + this.pending) & TOKEN_MASK;
  }

  /** Takes the next slot and returns its token. Not when full. */
  open(): number {
    if (this.pending > this.mask) this.grow();
    const token = (this.head + this.pending) & TOKEN_MASK;
    this.pending++;
    if (this.isMuted) {
      if (this.muted === NO_FLAGS) this.muted = new Uint8Array(this.mask + 1);
      this.muted[token & this.mask] = 1;
      this.mutedCount++;
    }
    return token;
  }

  /** Settles `count` slots from `token` on with a reply of its own for each. @returns bytes of all replies */
  settleEach(token: number, count: number, replyTo: (token: number) => Buffer): number {
    let length = 0;
    for (let i = 0; i < count; i++) {
      const each = (token + i) & TOKEN_MASK;
      const reply = replyTo(each);
      this.settle(each, 1, reply, 0, reply.length);
      length += reply.length;
    }
    return length;
  }

  /** Settles `count` slots from `token` on with the replies in bytes[start, end). The bytes must never change. */
  settle(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    if (this.mutedCount > 0 && this.muted[token & this.mask] === 1) {
      this.settleMuted(token, count);
      return;
    }
    if (token === this.head) {
      this.out.appendKept(bytes, start, end);
      this.advance(count);
      return;
    }
    if (end > start) {
      this.borrowedBytes += end - start;
      this.held += end - start;
      // When its turn comes, it may be.
      if (isWorthKeeping(bytes, start, end)) noteKept();
      else noteBorrowed();
      this.keep(token, bytes, start, end, 1);
    } else this.keep(token, NONE, 0, 0, 0);
    for (let i = 1; i < count; i++) this.keep(token + i, NONE, 0, 0, 0);
  }

  private settleMuted(token: number, count: number): void {
    const isHead = token === this.head;
    for (let i = 0; i < count; i++) {
      this.muted[(token + i) & this.mask] = 0;
      if (!isHead) this.keep(token + i, NONE, 0, 0, 0);
    }
    this.mutedCount -= count;
    if (isHead) this.advance(count);
  }

  /** True when the reply to `token` may be appended to the out-queue piece by piece; `advance(1)` ends it. */
  isHead(token: number): boolean {
    return token === this.head && (this.mutedCount === 0 || this.muted[token & this.mask] === 0);
  }

  /** Moves over `count` answered slots and whatever behind them is ready. */
  advance(count: number): void {
    const { replies, starts, ends, mask, out } = this;
    let head = (this.head + count) & TOKEN_MASK;
    let pending = this.pending - count;
    while (pending > 0) {
      const at = head & mask;
      const bytes = replies[at]!;
      if (bytes === null) break;
      replies[at] = null;
      const start = starts[at]!;
      const end = ends[at]!;
      if (end > start) {
        out.appendKept(bytes, start, end);
        this.letGo(at, bytes, end - start);
      }
      head = (head + 1) & TOKEN_MASK;
      pending--;
    }
    this.head = head;
    this.pending = pending;
  }

  /** The reply in the place `at`, `length` bytes of `bytes`, has left the ring. */
  private letGo(at: number, bytes: Buffer, length: number): void {
    if (this.borrowed[at] === 1) {
      this.borrowedBytes -= length;
      this.held -= length;
      return;
    }
    const freed = this.lasts[at]!;
    if (freed === 0) return;
    this.lasts[at] = 0;
    this.held -= freed;
    releaseCopyBlock(bytes);
  }

  /** What was answered is written now. */
  measure(turn: Pick<Turn, "freshMs">): void {
    const { stamps, head } = this;
    if (stamps !== null && stamps.measured !== head) stamps.measure(head, turn.freshMs);
  }

  /** Copies what is kept by reference, once. To be called at the end of a turn. */
  copyKept(): void {
    if (this.borrowedBytes === 0) return;
    const { replies, starts, ends, borrowed, mask } = this;
    const copy = takeCopyBlock(this.borrowedBytes);
    let length = 0;
    let last = 0;
    for (let i = 0; i < this.pending; i++) {
      const at = (this.head + i) & mask;
      const bytes = replies[at]!;
      if (bytes === null || borrowed[at] === 0) continue;
      const start = length;
      length += bytes.copy(copy, length, starts[at], ends[at]);
      this.keep(at, copy, start, length, 0);
      last = at;
    }
    this.held += copy.length - this.borrowedBytes;
    this.borrowedBytes = 0;
    this.lasts[last] = copy.length;
  }

  /** Forgets the replies: there is no client any more to get them. */
  clear(): void {
    if (this.replies === NO_REPLIES) return;
    for (let at = 0; at <= this.mask; at++) {
      if (this.lasts[at] !== 0) releaseCopyBlock(this.replies[at]!);
    }
    this.replies.fill(null);
    this.lasts.fill(0);
    this.held = 0;
    this.borrowedBytes = 0;
  }

  private keep(
    token: number,
    bytes: Buffer | null,
    start: number,
    end: number,
    borrowed: number,
  ): void {
    if (this.replies === NO_REPLIES) this.makePlaces(this.mask + 1);
    const at = token & this.mask;
    this.replies[at] = bytes;
    this.starts[at] = start;
    this.ends[at] = end;
    this.borrowed[at] = borrowed;
  }

  private makePlaces(size: number): void {
    this.replies = new Array(size).fill(null);
    this.starts = new Int32Array(size);
    this.ends = new Int32Array(size);
    this.borrowed = new Uint8Array(size);
    this.lasts = new Int32Array(size);
  }

  private grow(): void {
    const size = (this.mask + 1) * 4;
    const { replies, starts, ends, borrowed, lasts, muted, mask } = this;
    this.makePlaces(size);
    this.muted = new Uint8Array(size);
    this.mask = size - 1;
    for (let i = 0; i < this.pending; i++) {
      const token = this.head + i;
      const at = token & mask;
      this.keep(token, replies[at]!, starts[at]!, ends[at]!, borrowed[at]!);
      this.lasts[token & this.mask] = lasts[at]!;
      this.muted[token & this.mask] = muted[at]!;
    }
  }
}
