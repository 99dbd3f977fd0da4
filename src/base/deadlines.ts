/**
 * Times at which something is late. A binary heap keeps them, and one timer is armed for the earliest: a process in which
 * nothing can be late is not woken at all.
 *
 * Code that watches something that seldom comes late (requests, say) sets a deadline only when there is none, leaves it
 * alone while all goes well, and looks at how things stand when it is due: one operation for each period, not for each event.
 */
import { assert } from "./assert.ts";
import type { Schedule } from "./schedule.ts";

/** Timers hold 31 bits of milliseconds; a longer wait is made of several. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** One time at a time: it is set or not. Made by `Deadlines.create`. */
export class Deadline {
  /** When it is due, by the clock of its `Deadlines`; Infinity: it is not set. */
  atMs: number = Number.POSITIVE_INFINITY;
  /** Owned by Deadlines: where it is in the heap; -1: it is not set. */
  place = -1;
  /** Called once for each time that was set and came, at that time or a little later. It is not set any more by then. */
  readonly onDue: (nowMs: number) => void;

  private readonly all: Deadlines;

  constructor(all: Deadlines, onDue: (nowMs: number) => void) {
    this.all = all;
    this.onDue = onDue;
  }

  get isSet(): boolean {
    return this.place >= 0;
  }

  /** Sets it, or moves it, to `atMs`. Infinity: cancels it. */
  set(atMs: number): void {
    this.all.move(this, atMs);
  }

  /** Sets it to `atMs` unless it is due earlier already. */
  setNoLater(atMs: number): void {
    if (atMs < this.atMs) this.all.move(this, atMs);
  }

  cancel(): void {
    this.all.move(this, Number.POSITIVE_INFINITY);
  }
}

export class Deadlines {
  private readonly clock: () => number;
  private readonly schedule: Schedule;
  /** Each one is due no earlier than its parent, which is at (place - 1) / 2. */
  private readonly heap: Deadline[] = [];
  /** When the timer fires; Infinity: there is none. */
  private armedMs: number = Number.POSITIVE_INFINITY;
  private cancelTimer: () => void = () => {};
  private isRunning = false;

  /** @param clock milliseconds that never go back */
  constructor(clock: () => number, schedule: Schedule) {
    this.clock = clock;
    this.schedule = schedule;
  }

  create(onDue: (nowMs: number) => void): Deadline {
    return new Deadline(this, onDue);
  }

  /** How many are set. */
  get size(): number {
    return this.heap.length;
  }

  /** When the earliest is due; Infinity: none is set. */
  get nextMs(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0]!.atMs;
  }

  get nowMs(): number {
    return this.clock();
  }

  /** For `Deadline`. O(log n), and allocates nothing but, now and then, a timer. */
  move(deadline: Deadline, atMs: number): void {
    const { place } = deadline;
    if (atMs === Number.POSITIVE_INFINITY) {
      if (place >= 0) this.remove(deadline);
      return;
    }
    assert(atMs > Number.NEGATIVE_INFINITY, "a deadline is a time");
    deadline.atMs = atMs;
    if (place < 0) {
      this.heap.push(deadline);
      this.rise(deadline, this.heap.length - 1);
    } else {
      this.rise(deadline, place);
      this.sink(deadline, deadline.place);
    }
    if (atMs < this.armedMs && !this.isRunning) this.arm();
  }

  /** Calls what is due. The timer does; tests that own the clock may, too. */
  run(): void {
    const { heap } = this;
    const nowMs = this.clock();
    this.isRunning = true;
    // What is set again for a time that has come waits for the next run: the event loop gets its turn.
    for (let left = heap.length; left > 0 && heap.length > 0; left--) {
      const first = heap[0]!;
      if (first.atMs > nowMs) break;
      this.remove(first);
      first.onDue(nowMs);
    }
    this.isRunning = false;
    this.arm();
  }

  /** No timer fires any more. */
  close(): void {
    for (const deadline of this.heap) {
      deadline.place = -1;
      deadline.atMs = Number.POSITIVE_INFINITY;
    }
    this.heap.length = 0;
    this.arm();
  }

  private arm(): void {
    this.cancelTimer();
    this.armedMs = this.nextMs;
    if (this.armedMs === Number.POSITIVE_INFINITY) {
      this.cancelTimer = () => {};
      return;
    }
    // Rounded up: a timer that comes early would have to come again.
    const delayMs = Math.max(Math.ceil(this.armedMs - this.clock()), 1);
    this.cancelTimer = this.schedule(Math.min(delayMs, TIMER_MS_MAX), this.onTimer);
  }

  private readonly onTimer = (): void => this.run();

  private remove(deadline: Deadline): void {
    const { heap } = this;
    const { place } = deadline;
    const last = heap.pop()!;
    if (last !== deadline) {
      this.rise(last, place);
      this.sink(last, last.place);
    }
    deadline.place = -1;
    deadline.atMs = Number.POSITIVE_INFINITY;
  }

  /** Puts `deadline` at `place`, or above as many as are due later. */
  private rise(deadline: Deadline, place: number): void {
    const { heap } = this;
    let at = place;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1]!;
      if (parent.atMs <= deadline.atMs) break;
      this.put(parent, at);
      at = (at - 1) >> 1;
    }
    this.put(deadline, at);
  }

  private sink(deadline: Deadline, place: number): void {
    const { heap } = this;
    let at = place;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++;
      if (heap[child]!.atMs >= deadline.atMs) break;
      this.put(heap[child]!, at);
      at = child;
    }
    this.put(deadline, at);
  }

  private put(deadline: Deadline, place: number): void {
    this.heap[place] = deadline;
    deadline.place = place;
  }
}
