/**
 * Compares the replies to requests with those to their copies. A client gets the first as soon as it comes; the second is only looked at.
 *
 * Each pair has a number, which holds its place and how often that was used before. It keeps a hash of what came first until the other comes.
 * There are no more than so many at a time.
 */
import type { ReplySink } from "../../api/upstream.ts";
import { MIRRORED_AT_ONCE } from "../../base/limits.ts";

/** Places of pairs, a power of two. */
const PAIRS = 2 * MIRRORED_AT_ONCE;
/** How often a place is used before its numbers begin anew. */
const USES = 0x4_0000;
/** There is no place for another pair. */
export const NO_PAIR = -1;
const NOTHING = 0;
const MAIN_CAME = 1;
const COPY_CAME = 2;
const GIVEN_UP = 3;

export interface ComparisonCounts {
  same(): void;
  different(): void;
}

export class Comparison {
  readonly ofMain: ReplySink;
  readonly ofCopy: ReplySink;
  private readonly counts: ComparisonCounts;
  private readonly digestOf: (bytes: Buffer, start: number, end: number) => number;
  /** Where a place is looked for. */
  private next = 0;
  /** Places whose request is not answered. */
  private open = 0;
  /** By place: the number of its pair. */
  private readonly numbers: Int32Array = Int32Array.from({ length: PAIRS }, (_, place) => place);
  private readonly sinks: (ReplySink | null)[] = new Array<ReplySink | null>(PAIRS).fill(null);
  private readonly tokens: Int32Array = new Int32Array(PAIRS);
  private readonly states: Uint8Array = new Uint8Array(PAIRS);
  private readonly hashes: Float64Array = new Float64Array(PAIRS);

  /** @param digestOf see ReplyScanner */
  constructor(
    counts: ComparisonCounts,
    digestOf: (bytes: Buffer, start: number, end: number) => number = hashOf,
  ) {
    this.counts = counts;
    this.digestOf = digestOf;
    this.ofMain = {
      takesRuns: false,
      onReplies: (pair, _count, bytes, start, end, kind) => {
        this.note(pair, MAIN_CAME, bytes, start, end);
        const token = this.tokens[placeOf(pair)]!;
        this.takeSink(pair)?.onReplies(token, 1, bytes, start, end, kind);
      },
      accepts: (pair, bytes, start, end, parts) => {
        const place = placeOf(pair);
        const token = this.tokens[place]!;
        return this.sinks[place]?.accepts?.(token, bytes, start, end, parts) ?? true;
      },
      onFailure: (pair, _count, failure) => {
        this.giveUp(pair);
        const token = this.tokens[placeOf(pair)]!;
        this.takeSink(pair)?.onFailure(token, 1, failure);
      },
    };
    this.ofCopy = {
      takesRuns: false,
      onReplies: (pair, _count, bytes, start, end) => this.note(pair, COPY_CAME, bytes, start, end),
      onFailure: (pair) => this.giveUp(pair),
    };
  }

  /** A request whose reply belongs to `token` of `sink`. @returns the number of its pair, or NO_PAIR */
  begin(sink: ReplySink, token: number): number {
    if (this.open === MIRRORED_AT_ONCE) return NO_PAIR;
    while (this.sinks[this.next] !== null) this.next = placeOf(this.next + 1);
    const place = this.next;
    this.next = placeOf(place + 1);
    this.open++;
    const pair = (this.numbers[place]! + PAIRS) % (PAIRS * USES);
    this.numbers[place] = pair;
    this.sinks[place] = sink;
    this.tokens[place] = token;
    this.states[place] = NOTHING;
    return pair;
  }

  /** One of the two will not come. */
  giveUp(pair: number): void {
    const place = placeOf(pair);
    if (this.numbers[place] === pair) this.states[place] = GIVEN_UP;
  }

  private takeSink(pair: number): ReplySink | null {
    const place = placeOf(pair);
    const sink = this.sinks[place]!;
    this.sinks[place] = null;
    this.open--;
    return sink;
  }

  private note(pair: number, came: number, bytes: Buffer, start: number, end: number): void {
    const place = placeOf(pair);
    // A copy may be answered when its place is another pair's.
    if (this.numbers[place] !== pair) return;
    const state = this.states[place]!;
    if (state === GIVEN_UP || state === came) return;
    const hash = this.digestOf(bytes, start, end);
    if (state === NOTHING) {
      this.states[place] = came;
      this.hashes[place] = hash;
      return;
    }
    this.states[place] = GIVEN_UP;
    if (this.hashes[place] === hash) this.counts.same();
    else this.counts.different();
  }
}

/** Of a hash, as many as a number holds. */
const LOW_BITS = 0x1f_ffff_ffff_ffffn;

function hashOf(bytes: Buffer, start: number, end: number): number {
  return Number(Bun.hash.wyhash(bytes.subarray(start, end)) & LOW_BITS);
}

function placeOf(pair: number): number {
  return pair & (PAIRS - 1);
}
