/**
 * What a client is told when its request fails, where that is not an error: nothing (`noreply`), or a miss. In step
 * with the session's ReplyRing: a slot's number finds its note.
 */
import { PENDING_REPLIES_MAX, PENDING_REPLIES_START } from "../../../../base/limits.ts";

export class FailureNotes {
  private notes: (Buffer | null)[] = [];
  private mask = -1;

  /** @param pending open slots, of which `token` is the newest. @param reply null: the failure is told as an error */
  put(token: number, pending: number, reply: Buffer | null): void {
    // Most sessions never need a note.
    if (this.mask < 0) {
      if (reply === null) return;
      this.resize(token, pending, Math.max(PENDING_REPLIES_START, sizeFor(pending)));
    } else if (pending > this.mask + 1) {
      this.resize(token, pending, sizeFor(pending));
    }
    this.notes[token & this.mask] = reply;
  }

  get(token: number): Buffer | null {
    return this.mask < 0 ? null : this.notes[token & this.mask]!;
  }

  private resize(newest: number, pending: number, size: number): void {
    const { notes, mask } = this;
    this.notes = new Array(size).fill(null);
    this.mask = size - 1;
    if (mask < 0) return;
    for (let back = 1; back < pending; back++) {
      const token = newest - back;
      this.notes[token & this.mask] = notes[token & mask]!;
    }
  }
}

/** The power of two that so many slots fit in, with room to grow. */
function sizeFor(pending: number): number {
  let size = PENDING_REPLIES_START;
  while (size < pending) size *= 4;
  return Math.min(size, PENDING_REPLIES_MAX);
}
