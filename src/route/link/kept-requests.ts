/**
 * The requests that were sent over a link and are not answered yet, oldest first, with their bytes: to send them elsewhere.
 *
 * As a rule the oldest is answered first. A link that is no plain connection may answer others before it: these are noted until those
 * before them are done.
 *
 * Runs in parallel arrays, as rings: nothing is allocated but when they grow. Each run has serial numbers of its own, with one left out
 * behind it, so that replies to two runs are never given to their sink as one range.
 */
import { TOKEN_MASK } from "../../api/client-port.ts";
import type { ReplySink } from "../../api/upstream.ts";

const CAPACITY_START = 16;
const NONE: Buffer = Buffer.alloc(0);
/** Numbers of a run, and which is which. */
const WIDTH = 6;
const SERIAL = 0;
const TOKEN = 1;
const COUNT = 2;
const DONE = 3;
const START = 4;
const END = 5;
/** More than a run has. */
const SERIALS_FREE = 0x100_0000;
const NO_SERIAL = -1;

export class KeptRequests {
  private sinks: (ReplySink | null)[] = new Array<ReplySink | null>(CAPACITY_START).fill(null);
  private buffers: Buffer[] = new Array<Buffer>(CAPACITY_START).fill(NONE);
  /** By run: serial, token, count, how many are done, start, end. */
  private numbers: Int32Array = new Int32Array(CAPACITY_START * WIDTH);
  private first = 0;
  private runs = 0;
  private nextSerial = 0;
  /** Serial numbers of requests that were done before older ones. */
  private readonly early: Set<number> = new Set();

  // See `find`
  /** Where its run is. */
  private found = 0;
  /** Which of its run's requests it is, from 0. */
  indexFound = 0;

  get isEmpty(): boolean {
    return this.runs === 0;
  }

  /** @returns the serial number of the run's first request */
  push(
    sink: ReplySink,
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): number {
    if (this.runs === this.sinks.length) this.grow();
    const at = this.indexOf(this.runs++);
    const serial = this.nextSerial;
    this.sinks[at] = sink;
    this.buffers[at] = bytes;
    const { numbers } = this;
    const base = at * WIDTH;
    numbers[base + SERIAL] = serial;
    numbers[base + TOKEN] = token;
    numbers[base + COUNT] = count;
    numbers[base + DONE] = 0;
    numbers[base + START] = start;
    numbers[base + END] = end;
    // One is left out, and no run wraps in its middle.
    const next = serial + count + 1;
    this.nextSerial = next > TOKEN_MASK - SERIALS_FREE ? 0 : next;
    return serial;
  }

  /** Looks for request number `serial`. @returns false: no run has it */
  find(serial: number): boolean {
    for (let run = 0; run < this.runs; run++) {
      const at = this.indexOf(run);
      const index = serial - this.numbers[at * WIDTH + SERIAL]!;
      if (index < 0 || index >= this.numbers[at * WIDTH + COUNT]!) continue;
      this.found = at;
      this.indexFound = index;
      return true;
    }
    return false;
  }

  // Of the request that was found last, and its run

  get sink(): ReplySink {
    return this.sinks[this.found]!;
  }

  get bytes(): Buffer {
    return this.buffers[this.found]!;
  }

  get token(): number {
    return (this.numbers[this.found * WIDTH + TOKEN]! + this.indexFound) & TOKEN_MASK;
  }

  get start(): number {
    return this.numbers[this.found * WIDTH + START]!;
  }

  get end(): number {
    return this.numbers[this.found * WIDTH + END]!;
  }

  /** `count` requests of one run are done, from number `serial` on. */
  settle(serial: number, count: number): void {
    if (serial === this.oldest) {
      this.shift(count);
      while (this.early.size > 0 && this.early.delete(this.oldest)) this.shift(1);
    } else for (let i = 0; i < count; i++) this.early.add(serial + i);
  }

  /** The number of the oldest request that is not done. */
  private get oldest(): number {
    if (this.isEmpty) return NO_SERIAL;
    const at = this.first * WIDTH;
    return this.numbers[at + SERIAL]! + this.numbers[at + DONE]!;
  }

  /** So many more of the oldest run are done. */
  private shift(count: number): void {
    const at = this.first * WIDTH;
    this.numbers[at + DONE]! += count;
    if (this.numbers[at + DONE]! < this.numbers[at + COUNT]!) return;
    this.sinks[this.first] = null;
    this.buffers[this.first] = NONE;
    this.first = (this.first + 1) & (this.sinks.length - 1);
    this.runs--;
  }

  private indexOf(run: number): number {
    return (this.first + run) & (this.sinks.length - 1);
  }

  private grow(): void {
    const { sinks, buffers, numbers, first } = this;
    const old = sinks.length;
    this.sinks = new Array<ReplySink | null>(old * 2).fill(null);
    this.buffers = new Array<Buffer>(old * 2).fill(NONE);
    this.numbers = new Int32Array(old * 2 * WIDTH);
    for (let run = 0; run < old; run++) {
      const from = (first + run) & (old - 1);
      this.sinks[run] = sinks[from]!;
      this.buffers[run] = buffers[from]!;
      this.numbers.set(numbers.subarray(from * WIDTH, (from + 1) * WIDTH), run * WIDTH);
    }
    this.first = 0;
  }
}
