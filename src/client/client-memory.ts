/**
 * The memory that clients of one worker take together: replies that they have not read, and requests that are not complete. There is a bound
 * for each of them (docs/memory.md), but a thousand clients at their bounds would still be more than there is.
 *
 *   0 ─── all is well ───┬─ tight: who has unread replies gets no more ─┬─ budget: those that hold most are closed
 *                      3/4                                             1
 *
 * A session tells what it holds when it has been written to, and when a part of a request is left: so one that reads, and whose
 * replies are gone at the end of the turn that brought them, costs nothing here.
 */
import { garbageBytes } from "../base/garbage.ts";
import {
  GARBAGE_MANY_BYTES,
  SESSION_OUTPUT_HIGH_BYTES,
  SESSION_OUTPUT_TIGHT_BYTES,
} from "../base/limits.ts";
import type { Flushable, Turn } from "../base/turn.ts";

/** A client of the worker. */
export interface MemoryHolder {
  /** What it told last, in bytes. */
  readonly heldBytes: number;
  /** Closes, and tells that it holds nothing. */
  cutForMemory(): void;
}

/** Parts of the budget: from the first on it is tight, below the second not any more, and down to the third is cut. */
const TIGHT = 3 / 4;
const EASY = 5 / 8;
const CUT_TO = 7 / 8;

export interface ClientMemoryOptions {
  readonly turn: Turn;
  /** In bytes; asked each time, because it may change. */
  readonly budget: () => number;
  readonly holders: () => Iterable<MemoryHolder>;
  /** Much of what clients held is garbage now: it should be collected soon. */
  readonly onGarbage: () => void;
}

export class ClientMemory implements Flushable {
  /** Owned by Turn. */
  isMarked = false;
  /** What all clients hold. */
  bytes = 0;
  /** A client with so much unread gets no more. */
  unreadMax: number = SESSION_OUTPUT_HIGH_BYTES;
  private readonly options: ClientMemoryOptions;

  constructor(options: ClientMemoryOptions) {
    this.options = options;
  }

  get isTight(): boolean {
    return this.unreadMax < SESSION_OUTPUT_HIGH_BYTES;
  }

  /** A client holds `by` bytes more than it told before. */
  change(by: number): void {
    this.bytes += by;
    const { budget, turn } = this.options;
    const isMuch = this.bytes + garbageBytes() > TIGHT * budget();
    // Not here: the client may be in the middle of something, and so may those that hold more.
    if (isMuch || this.isTight) turn.mark(this);
  }

  flush(): void {
    const { holders, onGarbage } = this.options;
    const budget = this.options.budget();
    if (this.bytes > budget) {
      const largest = [...holders()].sort((a, b) => b.heldBytes - a.heldBytes);
      for (const holder of largest) {
        if (this.bytes <= CUT_TO * budget || holder.heldBytes === 0) break;
        holder.cutForMemory();
      }
    }
    if (this.bytes > TIGHT * budget) this.unreadMax = SESSION_OUTPUT_TIGHT_BYTES;
    else if (this.bytes < EASY * budget) this.unreadMax = SESSION_OUTPUT_HIGH_BYTES;
    const isMuch = this.bytes + garbageBytes() > TIGHT * budget;
    if (isMuch && garbageBytes() >= Math.min(GARBAGE_MANY_BYTES, budget / 8)) onGarbage();
  }
}
