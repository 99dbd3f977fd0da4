/**
 * Long work in slices, one slice a turn of the event loop, so that sockets are served in between.
 *
 * A job is an iterator that ends its slice with each `yield`. Jobs are done one after the other: however many wait, a turn
 * has one slice of them.
 */
import type { Turn, Wakeable } from "./turn.ts";

export class SliceQueue implements Wakeable {
  isWoken = false;

  private readonly turn: Turn;
  private readonly jobs: Iterator<void>[] = [];

  constructor(turn: Turn) {
    this.turn = turn;
  }

  /** Slices are left for further turns. */
  get isBusy(): boolean {
    return this.jobs.length > 0;
  }

  /** Does the first slice of `job` at once when no other job waits, and each other slice in a turn of its own. */
  run(job: Iterator<void>): void {
    if (this.jobs.length === 0 && job.next().done === true) return;
    this.jobs.push(job);
    this.turn.wake(this);
  }

  wakeUp(): void {
    if (this.jobs[0]?.next().done === true) this.jobs.shift();
    if (this.jobs.length > 0) this.turn.wake(this);
  }
}

/** A job that calls `act` for each of `items`, of so many in a slice. */
export function* portions<Item>(
  items: Iterable<Item>,
  atOnce: number,
  act: (item: Item) => void,
): Generator<void, void> {
  let acted = 0;
  for (const item of items) {
    if (acted++ === atOnce) {
      acted = 1;
      yield;
    }
    act(item);
  }
}
