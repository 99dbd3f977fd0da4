/**
 * Stands before a connection to one node of a cluster: what the node says is elsewhere goes there, in the order in which it was sent.
 *
 *   client ─▶ RedirectLink ─▶ connection ─▶ node A ─ -MOVED ─▶ RedirectLink ─▶ that of node B ─▶ node B
 *
 * A request is sent again only when a node has said that it did not execute it.
 */
import { KIND, type ReplyKind } from "../../../api/protocol.ts";
import type { ConnectionKind, Failure, Link, ReplySink, Upstream } from "../../../api/upstream.ts";
import { ByteQueue } from "../../../base/byte-queue.ts";
import type { Wakeable } from "../../../base/turn.ts";
import { encodeError, encodeRequest } from "../codec/encode.ts";
import { type Redirection, readRedirection } from "./redirection.ts";
import type { Again, Redirector } from "./redirector.ts";
import { SentRequests } from "./sent-requests.ts";

const ASKING: Buffer = encodeRequest("ASKING");
/** A request that is sent from node to node so often stays with the error of the last one. */
const TRIES_MAX = 16;
/** For one that may not be sent any more, because later ones were. It was not executed. */
const TOO_LATE: Buffer = encodeError(
  "TRYAGAIN The slot moved to another node before this request was looked at; it was not executed",
);

export class RedirectLink implements Link, ReplySink {
  readonly takesRuns = false;
  readonly upstream: Upstream;
  readonly kind: ConnectionKind;
  readonly index: number;
  readonly requests: SentRequests = new SentRequests();
  private readonly redirector: Redirector;
  private readonly inner: Link;
  /** What one request is composed in, see `begin`. */
  private readonly queue: ByteQueue = new ByteQueue();
  private composedSink: ReplySink | null = null;
  private composedToken = 0;
  private waiters: Wakeable[] = [];
  /** Links of other nodes that let nothing pass before so many requests here are done with, because slots went there. */
  private awaiting: { readonly link: RedirectLink; readonly until: number }[] = [];
  /** So many links of other nodes are awaited here. */
  private fences = 0;
  /** Requests before this one must not be sent again: later ones have passed them. */
  private lateBefore = 0;

  constructor(
    redirector: Redirector,
    inner: Link,
    upstream: Upstream,
    kind: ConnectionKind,
    index: number,
  ) {
    this.redirector = redirector;
    this.inner = inner;
    this.upstream = upstream;
    this.kind = kind;
    this.index = index;
  }

  get refusal(): Failure | null {
    const { refusal } = this.inner;
    if (refusal !== null) this.redirector.suspect();
    return refusal;
  }

  get isFull(): boolean {
    return this.inner.isFull || this.isHeld;
  }

  private get isHeld(): boolean {
    return this.fences > 0 || this.redirector.holds(this.index);
  }

  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    this.requests.push(sink, token, count, bytes, start, end);
    this.inner.send(bytes, start, end, this, 0, count);
  }

  begin(sink: ReplySink, token: number): ByteQueue {
    this.composedSink = sink;
    this.composedToken = token;
    return this.queue;
  }

  commit(): void {
    const { queue, composedSink } = this;
    const bytes = queue.toBuffer();
    queue.clear();
    this.composedSink = null;
    if (composedSink !== null)
      this.send(bytes, 0, bytes.length, composedSink, this.composedToken, 1);
  }

  waitForRoom(waiter: Wakeable): void {
    if (this.isHeld) this.waiters.push(waiter);
    else this.inner.waitForRoom(waiter);
  }

  /** It is not held any more, or may not be. @param isGone its server has left: what waits is to look for another */
  wakeWaiters(isGone = false): void {
    const { waiters } = this;
    if (waiters.length === 0 || (this.isHeld && !isGone)) return;
    this.waiters = [];
    for (const waiter of waiters) this.redirector.turn.wake(waiter);
  }

  /** Sends one request that another node, or this one, has not executed. */
  sendAgain({ bytes, start, end, sink, token, tries, sinceMs }: Again, isAsking: boolean): void {
    const { refusal } = this;
    if (refusal !== null) {
      sink.onFailure(token, 1, refusal);
      return;
    }
    if (isAsking) {
      this.requests.push(null, 0, 1, ASKING, 0, ASKING.length);
      this.inner.send(ASKING, 0, ASKING.length, this, 0, 1);
    }
    this.requests.push(sink, token, 1, bytes, start, end);
    this.requests.mark(tries, sinceMs);
    this.inner.send(bytes, start, end, this, 0, 1);
  }

  // What the node says

  onReplies(
    _token: number,
    _count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    const { requests } = this;
    const { sink, token } = requests;
    const isError = kind === KIND.error || kind === KIND.redirect;
    const redirection =
      isError && sink !== null ? readRedirection(bytes, start, end, this.upstream.name) : null;
    if (redirection !== null && sink !== null) {
      this.redirect(redirection, sink, token, bytes, start, end);
      return;
    }
    requests.shift();
    if (this.awaiting.length > 0) this.liftFences();
    sink?.onReplies(token, 1, bytes, start, end, kind);
  }

  onFailure(_token: number, count: number, failure: Failure): void {
    const { requests } = this;
    const { sink, token } = requests;
    requests.shiftRun(count);
    if (this.awaiting.length > 0) this.liftFences();
    this.redirector.suspect();
    sink?.onFailure(token, count, failure);
  }

  /** The oldest request was not executed: `bytes`[start, end), the error, says why. */
  private redirect(
    redirection: Redirection,
    sink: ReplySink,
    token: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { requests, redirector } = this;
    const isLate = requests.done < this.lateBefore;
    const place = redirector.find(requests.run);
    const { triesSoFar, sinceMs } = requests;
    if (redirection.type === "moved") redirector.learn(redirection.slot, redirection.to);
    else redirector.suspect();
    const mayGoOn = place !== null && triesSoFar < TRIES_MAX && !isLate;
    const again = mayGoOn ? { ...place, sink, token, tries: triesSoFar + 1, sinceMs } : null;
    const error = bytes.subarray(start, end);
    // Before what waits until this one is done with.
    const isSentOn = again !== null && redirector.sendOn(this, redirection, again, error);
    requests.shift();
    if (this.awaiting.length > 0) this.liftFences();
    if (isSentOn) return;
    const reply = isLate ? TOO_LATE : error;
    sink.onReplies(token, 1, reply, 0, reply.length, KIND.error);
  }

  // Slots that move

  /** `link`, of another node, has slots now that were here: nothing goes there before all that was sent here is done with. */
  fence(link: RedirectLink): void {
    if (this.requests.size === 0 || link === this) return;
    this.awaiting.push({ link, until: this.requests.sent });
    link.fences++;
  }

  private liftFences(): void {
    const { done } = this.requests;
    while (this.awaiting.length > 0 && this.awaiting[0]!.until <= done) this.liftFirst();
  }

  private liftFirst(): void {
    const { link } = this.awaiting.shift()!;
    link.fences--;
    link.wakeWaiters();
  }

  /** It has taken too long: what was sent here before may not be sent on any more. */
  giveUpFences(): void {
    while (this.awaiting.length > 0) {
      this.lateBefore = Math.max(this.lateBefore, this.awaiting[0]!.until);
      this.liftFirst();
    }
  }
}
