/**
 * The requests that were sent over a connection and are not answered yet, oldest first, with their bytes: to send them elsewhere.
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

export class KeptRequests {
  private sinks: (ReplySink | null)[] = new Array<ReplySink | null>(CAPACITY_START).fill(null);
  private buffers: Buffer[] = new Array<Buffer>(CAPACITY_START).fill(NONE);
  /** By run: serial, token, count, how many are done, start, end. */
  private numbers: Int32Array = new Int32Array(CAPACITY_START * WIDTH);
  private first = 0;
  private runs = 0;
  private nextSerial = 0;
  /** See `find`. */
  tokenFound = 0;

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

  // Of the oldest run

  get sink(): ReplySink {
    return this.sinks[this.first]!;
  }

  get bytes(): Buffer {
    return this.buffers[this.first]!;
  }

  /** Of its first request that is not done. */
  get token(): number {
    return (this.number(TOKEN) + this.number(DONE)) & TOKEN_MASK;
  }

  /** Requests that are not done. */
  get left(): number {
    return this.number(COUNT) - this.number(DONE);
  }

  get done(): number {
    return this.number(DONE);
  }

  get start(): number {
    return this.number(START);
  }

  get end(): number {
    return this.number(END);
  }

  /** So many more of the oldest run are done, at most all that are left of it. */
  shift(count: number): void {
    const at = this.first * WIDTH + DONE;
    this.numbers[at]! += count;
    if (this.left > 0) return;
    this.sinks[this.first] = null;
    this.buffers[this.first] = NONE;
    this.first = (this.first + 1) & (this.sinks.length - 1);
    this.runs--;
  }

  /** Who waits for the reply to number `serial`; null: no run has it. `tokenFound` is its token. */
  find(serial: number): ReplySink | null {
    for (let run = 0; run < this.runs; run++) {
      const at = this.indexOf(run);
      const place = serial - this.numbers[at * WIDTH + SERIAL]!;
      if (place < 0 || place >= this.numbers[at * WIDTH + COUNT]!) continue;
      this.tokenFound = (this.numbers[at * WIDTH + TOKEN]! + place) & TOKEN_MASK;
      return this.sinks[at]!;
    }
    return null;
  }

  private number(field: number): number {
    return this.numbers[this.first * WIDTH + field]!;
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
