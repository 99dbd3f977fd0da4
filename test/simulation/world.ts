/**
 * Time in a simulation, and what happens when. There is no other order of things than this one: everything that is not a plain
 * function call is an event here, at a time that the seed decides.
 */
import { Random } from "./random.ts";

/** Clocks of a machine do not begin at zero. */
const START_MS = 1_000;
/** A trace has its last lines only. */
const TRACE_LINES_MAX = 500_000;

interface Event {
  readonly atMs: number;
  readonly order: number;
  /** Null: it is cancelled. */
  action: (() => void) | null;
}

export class World {
  readonly seed: number;
  readonly random: Random;
  readonly startMs: number = START_MS;
  nowMs: number = START_MS;
  /** Of everything that happened. */
  hash = 0;
  /** Null: it is not kept. */
  readonly trace: string[] | null;
  private readonly heap: Event[] = [];
  private orders = 0;

  constructor(seed: number, keepsTrace: boolean) {
    this.seed = seed;
    this.random = new Random(seed);
    this.trace = keepsTrace ? [] : null;
  }

  /** Calls `action` after `delayMs`. @returns cancels that */
  after(delayMs: number, action: () => void): () => void {
    const event = { atMs: this.nowMs + Math.max(delayMs, 0), order: this.orders++, action };
    this.push(event);
    return () => {
      (event as Event).action = null;
    };
  }

  /** Notes what happens. The hash has all of it, the trace its words. */
  note(what: string, a = 0, b = 0): void {
    let { hash } = this;
    hash = Math.imul(hash ^ (a + 0x9e3779b9), 0x85ebca6b) ^ (hash >>> 13);
    hash = Math.imul(hash ^ b ^ what.length, 0xc2b2ae35) ^ (hash >>> 16);
    this.hash = hash >>> 0;
    if (this.trace === null) return;
    this.trace.push(`${(this.nowMs - START_MS).toFixed(3)} ${what} ${a} ${b}`);
    if (this.trace.length > 2 * TRACE_LINES_MAX) this.trace.splice(0, TRACE_LINES_MAX);
  }

  /** What was sent or received, into the hash. */
  noteBytes(
    what: string,
    id: number,
    bytes: Buffer,
    start = 0,
    length: number = bytes.length,
  ): void {
    this.note(what, id, length);
    if (this.trace !== null) {
      const text = bytes.toString("latin1", start, start + length);
      this.trace.push(`    ${JSON.stringify(text.substring(0, 200))}`);
    }
  }

  /** Lets time pass until `untilMs`, or until nothing more happens. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.pop();
      if (next.action === null) continue;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.action();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
