/**
 * Sends requests to one branch of a tree, and reads that are not answered in time to a second one as well: what comes first with a value is
 * the reply.
 *
 *   client ─▶ HedgeLink ─┬▶ connection of `main`
 *                        └ a little later ─▶ InnerClient ─▶ servers of `other`
 *
 * An error of the second branch, or that it has nothing, is no reply: then that of `main` is waited for.
 */
import { KIND, type ReplyKind } from "../../api/protocol.ts";
import { ACCESS } from "../../api/request-facts.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { Failure, Link, ReplySink } from "../../api/upstream.ts";
import type { Deadline, Deadlines } from "../../base/deadlines.ts";
import type { Turn } from "../../base/turn.ts";
import type { InnerClient } from "./inner-client.ts";
import { OuterLink } from "./outer-link.ts";
import { Places } from "./places.ts";
import type { ShareBudget } from "./share-budget.ts";

export interface HedgeLinkOptions {
  readonly main: Link;
  readonly reader: RequestReader;
  readonly createInner: () => InnerClient;
  /** Milliseconds after which a read is sent to the second branch. */
  readonly afterMs: number;
  readonly budget: ShareBudget;
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly counts: HedgeCounts;
}

export interface HedgeCounts {
  /** A read was sent to the second branch. */
  hedged(): void;
  /** Its reply came first. */
  won(): void;
  /** A read was late, and not sent: too many were. */
  unhedged(): void;
}

const NONE: Buffer = Buffer.alloc(0);

// What is still to come for a read.
const OF_MAIN = 1;
const OF_OTHER = 2;

export class HedgeLink extends OuterLink {
  private readonly options: HedgeLinkOptions;
  private readonly late: Deadline;
  private inner: InnerClient | null = null;
  private readonly places: Places = new Places();
  /** Reads as they were sent, oldest first, from `head` on; those that are answered are passed over. */
  private queue: number[] = [];
  private head = 0;

  // By place of a read
  /** Null: its client has its reply. */
  private readonly sinks: (ReplySink | null)[] = [];
  private readonly tokens: number[] = [];
  private readonly buffers: Buffer[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly sentMs: number[] = [];
  /** OF_MAIN, OF_OTHER, both, or 0: the place is free, or goes when it is passed in the queue. */
  private readonly awaited: number[] = [];
  /** It failed in one branch, and the other has not told: why. */
  private readonly failures: (Failure | null)[] = [];
  private readonly isQueued: boolean[] = [];

  private readonly ofMain: ReplySink;
  private readonly ofOther: ReplySink;

  constructor(options: HedgeLinkOptions) {
    super(options.main);
    this.options = options;
    this.late = options.deadlines.create((nowMs) => this.hedge(nowMs));
    this.ofMain = {
      takesRuns: false,
      onReplies: (place, _count, bytes, start, end, kind) =>
        this.onReply(place, OF_MAIN, bytes, start, end, kind),
      accepts: (place, bytes, start, end, parts) => this.accepts(place, bytes, start, end, parts),
      onFailure: (place, count, failure) => {
        for (let i = 0; i < count; i++) this.onFailure(place + i, OF_MAIN, failure);
      },
    };
    this.ofOther = {
      takesRuns: false,
      onReplies: (place, _count, bytes, start, end, kind) => {
        if (kind === KIND.value) this.onReply(place, OF_OTHER, bytes, start, end, kind);
        else this.onNothing(place, OF_OTHER);
      },
      accepts: (place, bytes, start, end, parts) => this.accepts(place, bytes, start, end, parts),
      onFailure: (place) => this.onNothing(place, OF_OTHER),
    };
  }

  override send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    const { reader } = this.options;
    // Neighbours that may write are sent as one range.
    let from = start;
    let first = 0;
    let at = start;
    for (let i = 0; i < count; i++) {
      const next = reader.read(bytes, at, end);
      if (next <= at) break;
      if (reader.access === ACCESS.read) {
        if (i > first) this.main.send(bytes, from, at, sink, token + first, i - first);
        this.read(bytes, at, next, sink, token + i);
        from = next;
        first = i + 1;
      }
      at = next;
    }
    if (count > first) this.main.send(bytes, from, end, sink, token + first, count - first);
  }

  private read(bytes: Buffer, start: number, end: number, sink: ReplySink, token: number): void {
    const { budget, turn, afterMs } = this.options;
    const place = this.places.take();
    const { nowMs } = turn;
    this.sinks[place] = sink;
    this.tokens[place] = token;
    this.buffers[place] = bytes;
    this.starts[place] = start;
    this.ends[place] = end;
    this.sentMs[place] = nowMs;
    this.awaited[place] = OF_MAIN;
    this.failures[place] = null;
    this.isQueued[place] = true;
    this.queue.push(place);
    budget.onFirst(1);
    this.late.setNoLater(nowMs + afterMs);
    this.main.send(bytes, start, end, this.ofMain, place, 1);
  }

  /** Sends what is late, and looks again when the next may be. */
  private hedge(nowMs: number): void {
    const { afterMs, budget, counts, createInner } = this.options;
    while (this.head < this.queue.length) {
      const place = this.queue[this.head]!;
      const isDone = (this.awaited[place]! & OF_MAIN) === 0;
      if (!isDone && nowMs < this.sentMs[place]! + afterMs) break;
      this.head++;
      this.isQueued[place] = false;
      if (isDone) this.leave(place);
      else {
        if (this.inner === null || !this.inner.isOpen) this.inner = createInner();
        if (this.inner.isBusy || !budget.spend()) counts.unhedged();
        else {
          counts.hedged();
          this.awaited[place] = OF_MAIN | OF_OTHER;
          const bytes = this.buffers[place]!;
          this.inner.take(bytes, this.starts[place]!, this.ends[place]!, this.ofOther, place, 1);
        }
        this.buffers[place] = NONE;
      }
    }
    if (this.head === this.queue.length) {
      this.queue.length = 0;
      this.head = 0;
    } else this.late.setNoLater(this.sentMs[this.queue[this.head]!]! + afterMs);
  }

  private accepts(
    place: number,
    bytes: Buffer,
    start: number,
    end: number,
    parts: number,
  ): boolean {
    return this.sinks[place]?.accepts?.(this.tokens[place]!, bytes, start, end, parts) ?? true;
  }

  private onReply(
    place: number,
    from: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    const sink = this.sinks[place]!;
    const token = this.tokens[place]!;
    this.sinks[place] = null;
    if (sink !== null && from === OF_OTHER) this.options.counts.won();
    this.settle(place, from);
    sink?.onReplies(token, 1, bytes, start, end, kind);
  }

  private onFailure(place: number, from: number, failure: Failure): void {
    if (this.awaited[place] !== from && this.sinks[place] !== null) {
      // The other branch may have a reply.
      this.failures[place] = failure;
      this.settle(place, from);
      return;
    }
    this.fail(place, from, failure);
  }

  /** The second branch has no value. */
  private onNothing(place: number, from: number): void {
    const failure = this.failures[place]!;
    if (failure === null) this.settle(place, from);
    else this.fail(place, from, failure);
  }

  private fail(place: number, from: number, failure: Failure): void {
    const sink = this.sinks[place]!;
    const token = this.tokens[place]!;
    this.sinks[place] = null;
    this.settle(place, from);
    sink?.onFailure(token, 1, failure);
  }

  private settle(place: number, from: number): void {
    this.awaited[place]! &= ~from;
    if (from === OF_MAIN) this.buffers[place] = NONE;
    this.leave(place);
    this.forgetDone();
  }

  /** The place is free once nothing is awaited and it was passed in the queue. */
  private leave(place: number): void {
    if (this.awaited[place] === 0 && !this.isQueued[place]) this.places.giveBack(place);
  }

  /** Those that were answered in time, from the oldest on. */
  private forgetDone(): void {
    const { queue } = this;
    while (this.head < queue.length && (this.awaited[queue[this.head]!]! & OF_MAIN) === 0) {
      const place = queue[this.head++]!;
      this.isQueued[place] = false;
      this.leave(place);
    }
    if (this.head === queue.length) {
      queue.length = 0;
      this.head = 0;
    } else if (this.head > QUEUE_SLACK) {
      this.queue = queue.splice(this.head);
      this.head = 0;
    }
  }
}

/** So many that were passed are at the beginning of the queue before it is moved together. */
const QUEUE_SLACK = 1024;
