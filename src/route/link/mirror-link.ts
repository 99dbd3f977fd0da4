/**
 * Sends requests to one branch of a tree, and copies of them to another one; no client waits for the replies to those.
 *
 * Whatever becomes of the copies, the requests fare as if there were none: what the other branch does not take at once is left out and
 * counted.
 */
import type { RequestReader } from "../../api/request-reader.ts";
import type { Link, ReplySink } from "../../api/upstream.ts";
import { MIRRORED_AT_ONCE } from "../../base/limits.ts";
import { type Comparison, NO_PAIR } from "./comparison.ts";
import type { InnerClient } from "./inner-client.ts";
import { OuterLink } from "./outer-link.ts";
import { isInShare } from "./share.ts";

export interface MirrorCounts {
  /** Requests that were copied. */
  mirrored(requests: number): void;
  /** Requests that were to be, and were not. */
  dropped(requests: number): void;
}

export interface MirrorLinkOptions {
  readonly main: Link;
  /** Needed when not all keys are copied. */
  readonly reader: RequestReader;
  readonly createInner: () => InnerClient;
  /** Of keys, from 0 to 1. */
  readonly share: number;
  /** Null: replies are not compared. */
  readonly comparison: Comparison | null;
  readonly counts: MirrorCounts;
}

export class MirrorLink extends OuterLink {
  private readonly options: MirrorLinkOptions;
  private inner: InnerClient | null = null;
  private readonly ignored: ReplySink = { takesRuns: false, onReplies() {}, onFailure() {} };

  constructor(options: MirrorLinkOptions) {
    super(options.main);
    this.options = options;
  }

  override send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    const { share, comparison } = this.options;
    if (share >= 1 && comparison === null) {
      this.copy(bytes, start, end, this.ignored, 0, count);
      this.main.send(bytes, start, end, sink, token, count);
    } else this.sendEach(bytes, start, end, sink, token, count);
  }

  /** Looks at each request of a run. */
  private sendEach(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    const { reader, share } = this.options;
    // Neighbours whose replies go straight to their client are sent as one range.
    let from = start;
    let first = 0;
    let at = start;
    for (let i = 0; i < count; i++) {
      const next = reader.read(bytes, at, end);
      if (next <= at) break;
      if (isInShare(bytes, reader.keyStart, reader.keyEnd, share)) {
        const pair = this.copyOne(bytes, at, next, sink, token + i);
        if (pair !== NO_PAIR) {
          if (i > first) this.main.send(bytes, from, at, sink, token + first, i - first);
          this.main.send(bytes, at, next, this.options.comparison!.ofMain, pair, 1);
          from = next;
          first = i + 1;
        }
      }
      at = next;
    }
    if (count > first) this.main.send(bytes, from, end, sink, token + first, count - first);
  }

  /** @returns the number of the pair by which the replies are to be compared; NO_PAIR: they are not */
  private copyOne(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
  ): number {
    const { comparison } = this.options;
    const pair = comparison === null ? NO_PAIR : comparison.begin(sink, token);
    if (comparison === null || pair === NO_PAIR) {
      this.copy(bytes, start, end, this.ignored, 0, 1);
    } else if (!this.copy(bytes, start, end, comparison.ofCopy, pair, 1)) comparison.giveUp(pair);
    return pair;
  }

  /** @returns false: it was left out */
  private copy(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): boolean {
    const { counts, createInner } = this.options;
    if (this.inner === null || !this.inner.isOpen) this.inner = createInner();
    const { inner } = this;
    if (inner.isBusy || inner.owed >= MIRRORED_AT_ONCE) {
      counts.dropped(count);
      return false;
    }
    counts.mirrored(count);
    inner.take(bytes, start, end, sink, token, count);
    return true;
  }
}
