/**
 * Sends requests to one branch of a tree, and those that may write to a second one as well.
 *
 *   client ─▶ AllLink ─┬▶ connection of `main`
 *                      └▶ InnerClient ─▶ servers of `other`
 *
 * With `waits` a client is answered when both have, and an error or failure of any of them is its reply; else the first one's reply is.
 * Nothing is left out: a client waits while one of the two takes no more.
 */
import { KIND, type ReplyKind } from "../../api/protocol.ts";
import { ACCESS } from "../../api/request-facts.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { Failure, Link, ReplySink } from "../../api/upstream.ts";
import { copyOf } from "../../base/copy-of.ts";
import { WRITTEN_TO_ALL_AT_ONCE } from "../../base/route-limits.ts";
import type { Turn, Wakeable } from "../../base/turn.ts";
import type { InnerClient } from "./inner-client.ts";
import { OuterLink } from "./outer-link.ts";
import { Places } from "./places.ts";

export interface AllLinkOptions {
  readonly main: Link;
  readonly reader: RequestReader;
  /** The client that writes go to the second branch by; another one when the last is closed. */
  readonly createInner: () => InnerClient;
  /** For the outcomes of both. */
  readonly waits: boolean;
  readonly turn: Turn;
  /** So many requests went to the second branch, and so many of them failed there or got an error. */
  readonly count: (requests: number, failed: number) => void;
}

/** How a request fared in one of the branches. */
interface Outcome {
  /** Null: there was a reply, a copy. */
  readonly failure: Failure | null;
  readonly bytes: Buffer;
  readonly kind: ReplyKind;
}

const NONE: Buffer = Buffer.alloc(0);

export class AllLink extends OuterLink {
  private readonly options: AllLinkOptions;
  private inner: InnerClient | null = null;
  private readonly places: Places = new Places();
  private waiters: Wakeable[] = [];

  // By place of a request
  private readonly sinks: (ReplySink | null)[] = [];
  private readonly tokens: number[] = [];
  /** How it fared in the branch that was first; null: in none so far. */
  private readonly firsts: (Outcome | null)[] = [];
  private readonly isOfMain: boolean[] = [];

  private readonly ofMain: ReplySink;
  private readonly ofOther: ReplySink;

  constructor(options: AllLinkOptions) {
    super(options.main);
    this.options = options;
    this.ofMain = {
      takesRuns: false,
      onReplies: (place, _count, bytes, start, end, kind) =>
        this.onReply(place, true, bytes, start, end, kind),
      accepts: (place, bytes, start, end, parts) => this.accepts(place, bytes, start, end, parts),
      onFailure: (place, count, failure) => {
        for (let i = 0; i < count; i++) this.onOutcome(place + i, true, ofFailure(failure));
      },
    };
    this.ofOther = {
      takesRuns: false,
      onReplies: (place, _count, bytes, start, end, kind) =>
        this.onReply(place, false, bytes, start, end, kind),
      // Without waiting no client gets it, and by now its token may be another request's.
      accepts: (place, bytes, start, end, parts) =>
        !options.waits || this.accepts(place, bytes, start, end, parts),
      onFailure: (place, _count, failure) => this.onOutcome(place, false, ofFailure(failure)),
    };
  }

  /** What `main` cannot take still goes to the other: copies there are to be changed or deleted, too. */
  override get refusal(): Failure | null {
    const { refusal } = this.main;
    return refusal?.reply === undefined ? null : refusal;
  }

  /** A refusal of these stands: what may pass soon is waited for as for room. */
  override get isRecovering(): boolean {
    return false;
  }

  override get isFull(): boolean {
    if (this.places.count >= WRITTEN_TO_ALL_AT_ONCE || this.inner?.isBusy === true) return true;
    return this.main.isFull || (this.main.refusal !== null && this.main.isRecovering === true);
  }

  override waitForRoom(waiter: Wakeable): void {
    if (this.places.count >= WRITTEN_TO_ALL_AT_ONCE) this.waiters.push(waiter);
    else if (this.inner?.isBusy === true) this.inner.whenRoom(waiter);
    else this.main.waitForRoom(waiter);
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
    // Neighbours that do not write are sent as one range.
    let from = start;
    let first = 0;
    let at = start;
    for (let i = 0; i < count; i++) {
      const next = reader.read(bytes, at, end);
      if (next <= at) break;
      if (reader.access === ACCESS.write) {
        this.sendToMain(bytes, from, at, sink, token + first, i - first);
        this.write(bytes, at, next, sink, token + i);
        from = next;
        first = i + 1;
      }
      at = next;
    }
    this.sendToMain(bytes, from, end, sink, token + first, count - first);
  }

  private sendToMain(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    if (count === 0) return;
    const { refusal } = this.main;
    if (refusal === null) this.main.send(bytes, start, end, sink, token, count);
    else sink.onFailure(token, count, refusal);
  }

  private write(bytes: Buffer, start: number, end: number, sink: ReplySink, token: number): void {
    const place = this.places.take();
    this.sinks[place] = sink;
    this.tokens[place] = token;
    this.firsts[place] = null;
    this.options.count(1, 0);
    this.open().take(bytes, start, end, this.ofOther, place, 1);
    this.sendToMain(bytes, start, end, this.ofMain, place, 1);
  }

  private open(): InnerClient {
    if (this.inner === null || !this.inner.isOpen) this.inner = this.options.createInner();
    return this.inner;
  }

  /** It may be changed, too, to be what the client asked for. */
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
    isMain: boolean,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    const outcome = { failure: null, bytes: copyOf(bytes, start, end), kind };
    this.onOutcome(place, isMain, outcome);
  }

  private onOutcome(place: number, isMain: boolean, outcome: Outcome): void {
    const { waits, count } = this.options;
    if (!isMain && badnessOf(outcome) > 0) count(0, 1);
    const first = this.firsts[place]!;
    if (first === null) {
      this.firsts[place] = outcome;
      this.isOfMain[place] = isMain;
      if (!waits && isMain) this.tell(place, outcome);
      return;
    }
    const isFirstOfMain = this.isOfMain[place]!;
    const [main, other] = isFirstOfMain ? [first, outcome] : [outcome, first];
    if (waits) this.tell(place, worseOf(main, other));
    else if (!isFirstOfMain) this.tell(place, main);
    this.settle(place);
  }

  private tell(place: number, { failure, bytes, kind }: Outcome): void {
    const sink = this.sinks[place]!;
    const token = this.tokens[place]!;
    if (failure === null) sink.onReplies(token, 1, bytes, 0, bytes.length, kind);
    else sink.onFailure(token, 1, failure);
  }

  private settle(place: number): void {
    this.sinks[place] = null;
    this.firsts[place] = null;
    this.places.giveBack(place);
    if (this.waiters.length === 0 || this.places.count >= WRITTEN_TO_ALL_AT_ONCE) return;
    for (const waiter of this.waiters.splice(0)) this.options.turn.wake(waiter);
  }
}

function ofFailure(failure: Failure): Outcome {
  return { failure, bytes: NONE, kind: KIND.error };
}

function badnessOf({ failure, kind }: Outcome): number {
  if (failure !== null) return 2;
  return kind === KIND.error || kind === KIND.redirect ? 1 : 0;
}

/** What the client hears: of equal ones that of `main`. A request that one branch has executed is not one that was not executed. */
function worseOf(main: Outcome, other: Outcome): Outcome {
  const [told, rest] = badnessOf(other) > badnessOf(main) ? [other, main] : [main, other];
  const { failure } = told;
  if (failure === null || failure.wasSent) return told;
  if (rest.failure !== null && !rest.failure.wasSent) return told;
  const text = `${failure.text}; in another pool of the route the command may have been executed`;
  return ofFailure({ ...failure, wasSent: true, text });
}
