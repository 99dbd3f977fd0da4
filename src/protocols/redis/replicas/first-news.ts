/** In place of a replica, until a worker that has just started knows which ones may be read: what is to be sent there waits. */
import type { Link } from "../../../api/upstream.ts";
import { assert } from "../../../base/assert.ts";
import type { Deadline, Deadlines } from "../../../base/deadlines.ts";
import { REPLICA_FIRST_NEWS_MS } from "../../../base/replica-limits.ts";
import type { Turn, Wakeable } from "../../../base/turn.ts";

export class FirstNews implements Link {
  readonly refusal = null;
  readonly isFull = true;
  /** Until then requests wait, by the turn's clock. */
  readonly untilMs: number;
  private readonly turn: Turn;
  private readonly ending: Deadline;
  private waiters: Wakeable[] = [];

  constructor(turn: Turn, deadlines: Deadlines) {
    this.turn = turn;
    this.untilMs = turn.nowMs + REPLICA_FIRST_NEWS_MS;
    this.ending = deadlines.create(() => this.wake());
    this.ending.set(this.untilMs);
  }

  /** Those that wait look again whether they still have to. */
  wake(): void {
    for (const waiter of this.waiters.splice(0)) this.turn.wake(waiter);
  }

  waitForRoom(waiter: Wakeable): void {
    this.waiters.push(waiter);
    // A turn's clock may still be before the end when that is due.
    this.ending.setNoLater(Math.max(this.untilMs, this.turn.nowMs + 1));
  }

  send(): void {
    assert(false, "nothing is sent to what is full");
  }

  begin(): never {
    assert(false, "nothing is sent to what is full");
  }

  commit(): void {}

  /** Nothing waits here any more. */
  close(): void {
    this.ending.cancel();
    this.wake();
  }
}
