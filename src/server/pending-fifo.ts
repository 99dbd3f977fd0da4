/**
 * Requests that wait for a reply on one connection, oldest first.
 *
 *   | timed out (swallowed) … | waiting … waiting |
 *   ^ head                    ^ expired            ^ tail
 *
 * Runs never cross the point where tokens wrap: the session starts a new one there.
 *
 * An entry stands for a run of requests with consecutive tokens of one sink that were queued at the same moment.
 * Parallel arrays instead of objects: queueing a request allocates nothing.
 */
import type { ReplySink } from "../api/upstream.ts";
import type { ServerTimes } from "./server-times.ts";

const CAPACITY_START = 64;
/** Token of a StepCheck's question, which has no sink. Others are not negative. */
const QUESTION = -1;
/** A ring of more entries than this is given back when it is empty. */
const CAPACITY_KEPT_MAX = 4096;

export interface CutRun {
  readonly sink: ReplySink;
  readonly token: number;
  readonly count: number;
}

export interface CutRequests {
  /** How many bytes wait before theirs, and how many theirs are. */
  readonly from: number;
  readonly bytes: number;
  readonly told: readonly CutRun[];
}

export class PendingFifo {
  /** Requests, all runs together. */
  size = 0;
  /** When the replies at hand came. */
  heardMs = 0;

  private sinks: (ReplySink | null)[] = new Array(CAPACITY_START).fill(null);
  private tokens: Int32Array = new Int32Array(CAPACITY_START);
  private counts: Int32Array = new Int32Array(CAPACITY_START);
  private queuedAtMs: Float64Array = new Float64Array(CAPACITY_START);
  private sentAtMs: Float64Array = new Float64Array(CAPACITY_START);
  /** Value of the out-queue's `appended` where the run begins: tells whether any of it was sent. */
  private offsets: Float64Array = new Float64Array(CAPACITY_START);
  private mask: number = CAPACITY_START - 1;
  private head = 0;
  private runs = 0;
  /** Runs at the head whose sink was told of a timeout already. */
  private expired = 0;
  /** Runs at the head that were sent. */
  private sent = 0;
  /** Replies that have come since `measure` to requests that were sent at `answeredSentMs`. */
  private answered = 0;
  /** Requests of the oldest run that are not measured. */
  private unmeasured = 0;
  private answeredSentMs = 0;
  private readonly times: ServerTimes | null;
  /** Called when a request is added and none is awaited: its deadline is to be set. Those behind it are due later. */
  private readonly onAwaited: () => void;

  /** @param times null: nothing is measured */
  constructor(onAwaited: () => void, times: ServerTimes | null = null) {
    this.onAwaited = onAwaited;
    this.times = times;
  }

  push(sink: ReplySink | null, token: number, count: number, nowMs: number, offset: number): void {
    if (this.runs > this.mask) this.grow();
    const { runs } = this;
    const at = (this.head + runs) & this.mask;
    this.sinks[at] = sink;
    this.tokens[at] = token;
    this.counts[at] = count;
    this.queuedAtMs[at] = nowMs;
    this.offsets[at] = offset;
    this.runs = runs + 1;
    this.size += count;
    if (runs === 0) this.unmeasured = count;
    if (runs === this.expired) this.onAwaited();
  }

  /** Requests are there whose sending is to be measured. */
  get hasUnsent(): boolean {
    return this.times !== null && this.sent < this.runs;
  }

  /** What was appended to the out-queue before `written` is sent, since `nowMs` if it was not before. Only while `hasUnsent`. */
  noteSent(written: number, nowMs: number): void {
    const { offsets, queuedAtMs, mask, head, runs } = this;
    const times = this.times!;
    let { sent } = this;
    let queuedMs = 0;
    let count = 0;
    for (; sent < runs; sent++) {
      const at = (head + sent) & mask;
      if (offsets[at]! >= written) break;
      this.sentAtMs[at] = nowMs;
      if (count > 0 && queuedAtMs[at] !== queuedMs) {
        times.sent(nowMs - queuedMs, count);
        count = 0;
      }
      queuedMs = queuedAtMs[at]!;
      if (this.tokens[at] !== QUESTION) count += this.counts[at]!;
    }
    this.sent = sent;
    if (count > 0) times.sent(nowMs - queuedMs, count);
  }

  /** To be called before the reply to the oldest request is delivered: if it comes late, its client shall know which server was slow. */
  noteIfSlow(): void {
    const { times, head, heardMs } = this;
    if (times === null) return;
    const queuedMs = this.queuedAtMs[head]!;
    if (heardMs - queuedMs >= times.slow.noteMs) {
      const sentMs = this.sentAtMs[head]!;
      times.note(sentMs - queuedMs, heardMs - sentMs);
    } else if (times.slow.noted !== null) times.slow.noted = null;
  }

  /** Measures the replies for which there was a `shift`: to be called when all at hand are taken. */
  measure(): void {
    if (this.runs > 0) {
      const left = this.counts[this.head]!;
      if (left < this.unmeasured) this.measureRun(left);
    }
    if (this.answered > 0) this.times?.answered(this.heardMs - this.answeredSentMs, this.answered);
    this.answered = 0;
    if (this.times !== null && this.times.slow.noted !== null) this.times.slow.noted = null;
  }

  /** Of the oldest run so many requests are left. What was sent together is measured together. */
  private measureRun(left: number): void {
    const { head, times } = this;
    if (times === null) return;
    const sentMs = this.sentAtMs[head]!;
    const count = this.unmeasured - left;
    this.unmeasured = left;
    if (this.tokens[head] === QUESTION) return;
    if (sentMs !== this.answeredSentMs) {
      if (this.answered > 0) times.answered(this.heardMs - this.answeredSentMs, this.answered);
      this.answered = 0;
      this.answeredSentMs = sentMs;
    }
    this.answered += count;
  }

  /** The question of a StepCheck. */
  pushQuestion(nowMs: number, offset: number): void {
    this.push(null, QUESTION, 1, nowMs, offset);
  }

  /** The oldest entry is such a question. */
  get isQuestion(): boolean {
    return this.tokens[this.head] === QUESTION;
  }

  /** Replies that are late are still to come. */
  get hasLate(): boolean {
    return this.expired > 0;
  }

  /** Sink of the oldest request, or null when its reply is to be swallowed. Only while size > 0. */
  get sink(): ReplySink | null {
    return this.sinks[this.head]!;
  }

  /** Token of the oldest request. */
  get token(): number {
    return this.tokens[this.head]!;
  }

  /** Value of the out-queue's `appended` where the oldest run begins. */
  get offset(): number {
    return this.offsets[this.head]!;
  }

  /** The oldest request is answered. */
  shift(): void {
    this.size--;
    const head = this.head;
    if (--this.counts[head]! > 0) {
      this.tokens[head]!++;
      return;
    }
    this.measureRun(0);
    this.sinks[head] = null;
    const next = (head + 1) & this.mask;
    this.head = next;
    this.runs--;
    if (this.runs > 0) this.unmeasured = this.counts[next]!;
    if (this.expired > 0) this.expired--;
    if (this.sent > 0) this.sent--;
    // A crowd of clients has left a large ring behind.
    if (this.runs === 0 && this.mask >= CAPACITY_KEPT_MAX) this.reset();
  }

  /** Some request waits for its reply, and its sink was not told of a timeout. */
  get isAwaited(): boolean {
    return this.expired < this.runs;
  }

  /** When the oldest of those requests was queued; Infinity: there is none. */
  get oldestMs(): number {
    if (!this.isAwaited) return Number.POSITIVE_INFINITY;
    return this.queuedAtMs[(this.head + this.expired) & this.mask]!;
  }

  /**
   * Gives every run that was queued `timeoutMs` before `nowMs`, or earlier, to `tell` once; its replies will be swallowed.
   * @returns how many requests that were
   */
  expire(
    nowMs: number,
    timeoutMs: number,
    tell: (sink: ReplySink, token: number, count: number, offset: number) => void,
  ): number {
    let told = 0;
    // Added up as a deadline is: a rounding error must not make it come before its time.
    while (this.oldestMs + timeoutMs <= nowMs) {
      const at = (this.head + this.expired) & this.mask;
      const sink = this.sinks[at]!;
      this.sinks[at] = null;
      this.expired++;
      if (sink === null) continue;
      told += this.counts[at]!;
      tell(sink, this.tokens[at]!, this.counts[at]!, this.offsets[at]!);
    }
    return told;
  }

  /** How many runs at the head were sent, if only in part: everything before `written` was. */
  private sentBefore(written: number): number {
    const { offsets, mask, head } = this;
    let [from, to] = [0, this.runs];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (offsets[(head + middle) & mask]! < written) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** When the oldest request was queued of which nothing was sent; Infinity: all were. */
  oldestUnsentMs(written: number): number {
    const first = this.sentBefore(written);
    if (first === this.runs) return Number.POSITIVE_INFINITY;
    return this.queuedAtMs[(this.head + first) & this.mask]!;
  }

  /**
   * Takes the oldest requests out of which nothing was sent and that have waited for `queueMs`, up to a question. Their bytes are to be taken out
   * of the queue at once, and then those are to be told that were not told of a timeout.
   * @param appended to the out-queue so far
   */
  cutUnsent(written: number, appended: number, nowMs: number, queueMs: number): CutRequests {
    const { sinks, tokens, counts, queuedAtMs, sentAtMs, offsets, mask, head, runs } = this;
    const first = this.sentBefore(written);
    const told: CutRun[] = [];
    let next = first;
    for (; next < runs; next++) {
      const at = (head + next) & mask;
      if (queuedAtMs[at]! + queueMs > nowMs || tokens[at] === QUESTION) break;
      const sink = sinks[at]!;
      if (sink !== null) told.push({ sink, token: tokens[at]!, count: counts[at]! });
      this.size -= counts[at]!;
    }
    const cut = next - first;
    if (cut === 0) return { from: 0, bytes: 0, told };
    const from = offsets[(head + first) & mask]!;
    const bytes = (next < runs ? offsets[(head + next) & mask]! : appended) - from;
    // What is before the cut was sent before, whatever its offset. What is behind it keeps its own, as the bytes are taken out of the queue's size.
    for (const list of [sinks, tokens, counts, queuedAtMs, sentAtMs, offsets] as unknown[][]) {
      for (let i = next; i < runs; i++) list[(head + i - cut) & mask] = list[(head + i) & mask];
    }
    for (let i = runs - cut; i < runs; i++) sinks[(head + i) & mask] = null;
    this.runs = runs - cut;
    this.expired -= Math.max(0, Math.min(this.expired, next) - first);
    if (first === 0 && this.runs > 0) this.unmeasured = counts[head]!;
    return { from: from - written, bytes, told };
  }

  /** Forgets all, giving every run that was not told of a timeout to `tell`. Reentrant: the queue is empty by then. */
  drain(tell: (sink: ReplySink, token: number, count: number, offset: number) => void): void {
    const { sinks, tokens, counts, offsets, mask, head, runs } = this;
    this.reset();
    for (let i = 0; i < runs; i++) {
      const at = (head + i) & mask;
      const sink = sinks[at]!;
      if (sink !== null) tell(sink, tokens[at]!, counts[at]!, offsets[at]!);
    }
  }

  private reset(): void {
    this.sinks = new Array(CAPACITY_START).fill(null);
    this.tokens = new Int32Array(CAPACITY_START);
    this.counts = new Int32Array(CAPACITY_START);
    this.queuedAtMs = new Float64Array(CAPACITY_START);
    this.sentAtMs = new Float64Array(CAPACITY_START);
    this.offsets = new Float64Array(CAPACITY_START);
    this.mask = CAPACITY_START - 1;
    this.head = 0;
    this.runs = 0;
    this.expired = 0;
    this.sent = 0;
    this.size = 0;
  }

  private grow(): void {
    const capacity = (this.mask + 1) * 2;
    this.sinks = rotated(this.sinks, this.head, new Array<ReplySink | null>(capacity).fill(null));
    this.tokens = rotated(this.tokens, this.head, new Int32Array(capacity));
    this.counts = rotated(this.counts, this.head, new Int32Array(capacity));
    this.queuedAtMs = rotated(this.queuedAtMs, this.head, new Float64Array(capacity));
    this.sentAtMs = rotated(this.sentAtMs, this.head, new Float64Array(capacity));
    this.offsets = rotated(this.offsets, this.head, new Float64Array(capacity));
    this.mask = capacity - 1;
    this.head = 0;
  }
}

/** Copies a full ring into a larger array so that its oldest element comes first. */
function rotated<List extends { readonly length: number; [index: number]: unknown }>(
  ring: List,
  head: number,
  into: List,
): List {
  for (let i = 0; i < ring.length; i++) into[i] = ring[(head + i) % ring.length];
  return into;
}
