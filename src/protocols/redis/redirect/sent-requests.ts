/**
 * Requests that were sent over one link and are not answered, oldest first, with their bytes: until then they may have to be sent
 * elsewhere. In runs, as they were sent; parallel arrays, so that sending allocates nothing.
 */
import type { ReplySink } from "../../../api/upstream.ts";
import type { History } from "./parked-requests.ts";

const CAPACITY_START = 64;
const NONE: Buffer = Buffer.alloc(0);

export class SentRequests {
  /** Requests that ever were sent, and that are done with. */
  sent = 0;
  done = 0;

  private sinks: (ReplySink | null)[] = new Array(CAPACITY_START).fill(null);
  private tokens: Int32Array = new Int32Array(CAPACITY_START);
  private counts: Int32Array = new Int32Array(CAPACITY_START);
  private bytes: Buffer[] = new Array(CAPACITY_START).fill(NONE);
  private starts: Int32Array = new Int32Array(CAPACITY_START);
  private ends: Int32Array = new Int32Array(CAPACITY_START);
  private tries: Uint8Array = new Uint8Array(CAPACITY_START);
  private waits: Float64Array = new Float64Array(CAPACITY_START);
  private orders: Float64Array = new Float64Array(CAPACITY_START);
  private mask: number = CAPACITY_START - 1;
  private head = 0;
  private runs = 0;
  /** Requests of the oldest run that are done with, and how many of these are before `starts`. */
  private taken = 0;
  private passed = 0;

  /**
   * They are sent for the first time, unless `mark` says otherwise.
   * @param sink null: the reply is for no client
   */
  push(
    sink: ReplySink | null,
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (this.runs > this.mask) this.grow();
    const at = (this.head + this.runs) & this.mask;
    this.sinks[at] = sink;
    this.tokens[at] = token;
    this.counts[at] = count;
    this.bytes[at] = bytes;
    this.starts[at] = start;
    this.ends[at] = end;
    this.tries[at] = 0;
    this.waits[at] = 0;
    this.orders[at] = 0;
    this.runs++;
    this.sent += count;
  }

  /** The one that was pushed last has been sent before. */
  mark({ tries, sinceMs, order }: History): void {
    const at = (this.head + this.runs - 1) & this.mask;
    this.tries[at] = tries;
    this.waits[at] = sinceMs;
    this.orders[at] = order;
  }

  // Of the oldest request. Only while there is one.

  get sink(): ReplySink | null {
    return this.sinks[this.head]!;
  }

  get token(): number {
    return this.tokens[this.head]! + this.taken;
  }

  get history(): History {
    const { head } = this;
    return { tries: this.tries[head]!, sinceMs: this.waits[head]!, order: this.orders[head]! };
  }

  /** The run that it is in: bytes[start, end), in which it is number `index`. */
  get run(): {
    readonly bytes: Buffer;
    readonly start: number;
    readonly end: number;
    readonly index: number;
  } {
    const { head } = this;
    return {
      bytes: this.bytes[head]!,
      start: this.starts[head]!,
      end: this.ends[head]!,
      index: this.taken - this.passed,
    };
  }

  /** The oldest request, which ends at `end` of its run, is done with: the next one is looked for from there. */
  shiftTo(end: number): void {
    this.starts[this.head] = end;
    this.passed = this.taken + 1;
    this.shift();
  }

  get size(): number {
    return this.sent - this.done;
  }

  /** The oldest request is done with. */
  shift(): void {
    this.done++;
    if (++this.taken === this.counts[this.head]!) this.drop();
  }

  /** The rest of the oldest run, of `count` requests, is done with. */
  shiftRun(count: number): void {
    this.done += count;
    this.taken += count;
    if (this.taken >= this.counts[this.head]!) this.drop();
  }

  private drop(): void {
    const { head } = this;
    this.sinks[head] = null;
    this.bytes[head] = NONE;
    this.head = (head + 1) & this.mask;
    this.runs--;
    this.taken = 0;
    this.passed = 0;
  }

  private grow(): void {
    const { head, mask } = this;
    const capacity = 2 * (mask + 1);
    const order = Array.from({ length: mask + 1 }, (_, i) => (head + i) & mask);
    const numbers = (from: Int32Array): Int32Array => {
      const into = new Int32Array(capacity);
      for (const [i, at] of order.entries()) into[i] = from[at]!;
      return into;
    };
    const sinks = new Array<ReplySink | null>(capacity).fill(null);
    const bytes = new Array<Buffer>(capacity).fill(NONE);
    const tries = new Uint8Array(capacity);
    const waits = new Float64Array(capacity);
    const orders = new Float64Array(capacity);
    for (const [i, at] of order.entries()) {
      sinks[i] = this.sinks[at]!;
      bytes[i] = this.bytes[at]!;
      tries[i] = this.tries[at]!;
      waits[i] = this.waits[at]!;
      orders[i] = this.orders[at]!;
    }
    this.tokens = numbers(this.tokens);
    this.counts = numbers(this.counts);
    this.starts = numbers(this.starts);
    this.ends = numbers(this.ends);
    this.sinks = sinks;
    this.bytes = bytes;
    this.tries = tries;
    this.waits = waits;
    this.orders = orders;
    this.mask = capacity - 1;
    this.head = 0;
  }
}
