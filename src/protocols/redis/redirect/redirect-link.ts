/**
 * Stands before a connection to one server of a pool whose servers change places: what the server says is elsewhere goes there, and what it
 * cannot do just now waits, in the order in which it was sent.
 *
 *   client ─▶ RedirectLink ─▶ connection ─▶ node A ─ -MOVED ─▶ RedirectLink ─▶ that of node B ─▶ node B
 *
 * A request is sent again only when it was surely not executed, or is a read.
 */
import { KIND, type ReplyKind } from "../../../api/protocol.ts";
import type { ConnectionKind, Failure, Link, ReplySink, Upstream } from "../../../api/upstream.ts";
import { ByteQueue } from "../../../base/byte-queue.ts";
import type { Wakeable } from "../../../base/turn.ts";
import { encodeError, encodeRequest } from "../codec/encode.ts";
import { type Again, type Parked, ParkedRequests } from "./parked-requests.ts";
import { type Redirection, readRedirection } from "./redirection.ts";
import type { Redirector } from "./redirector.ts";
import { SentRequests } from "./sent-requests.ts";

const ASKING: Buffer = encodeRequest("ASKING");
/** A request that is sent from node to node so often stays with the error of the last one. */
const TRIES_MAX = 16;
/** For one that may not be sent any more, because later ones were. It was not executed. */
const TOO_LATE: Buffer = encodeError(
  "TRYAGAIN The key moved to another server before this request was looked at; it was not executed",
);
/** No request is the probe. */
const NONE = -1;

export class RedirectLink implements Link, ReplySink {
  readonly takesRuns = false;
  readonly upstream: Upstream;
  readonly kind: ConnectionKind;
  readonly index: number;
  /** The connection. What asks about the server itself goes there: it is not to wait for anything. */
  readonly inner: Link;
  readonly requests: SentRequests = new SentRequests();
  /** What waits until the server is well: nothing passes it. */
  readonly parked: ParkedRequests = new ParkedRequests();
  private readonly redirector: Redirector;
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
  /** The first request that waited is sent alone, and is number `probe` here: how it fares tells about the others. */
  private probe = NONE;

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
    if (tellsOfServer(refusal)) this.redirector.suspect();
    return refusal;
  }

  get isRecovering(): boolean {
    return tellsOfServer(this.inner.refusal) && this.redirector.mayWait(this);
  }

  get isFull(): boolean {
    return this.inner.isFull || this.isHeld;
  }

  private get isHeld(): boolean {
    return this.fences > 0 || this.parked.size > 0 || !this.redirector.isKnown;
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
    if (!this.isHeld && this.inner.refusal === null) {
      this.inner.waitForRoom(waiter);
      return;
    }
    this.waiters.push(waiter);
    this.redirector.onWaiter(1);
  }

  get waiting(): number {
    return this.waiters.length;
  }

  /** Wakes up to `count` of those that wait, unless it is held still. @param isGone its server has left: they are to look for another */
  wakeWaiters(count: number, isGone = false): number {
    if (this.waiters.length === 0 || (this.isHeld && !isGone)) return 0;
    const woken = this.waiters.splice(0, count);
    this.redirector.onWaiter(-woken.length);
    for (const waiter of woken) this.redirector.turn.wake(waiter);
    return woken.length;
  }

  /** Sends one request that another node, or this one, has not executed. */
  sendAgain(again: Again, isAsking: boolean): void {
    const { bytes, start, end, sink, token } = again;
    const { refusal } = this;
    if (refusal !== null) {
      if (!this.redirector.park(this, again, refusal)) sink.onFailure(token, 1, refusal);
      return;
    }
    this.redirector.prepare(again, this);
    if (isAsking) {
      this.requests.push(null, 0, 1, ASKING, 0, ASKING.length);
      this.inner.send(ASKING, 0, ASKING.length, this, 0, 1);
    }
    this.requests.push(sink, token, 1, bytes, start, end);
    this.requests.mark(again);
    this.redirector.host.add("retries", 1);
    this.inner.send(bytes, start, end, this, 0, 1);
  }

  // What waits here

  /** Is under way. */
  get isProbing(): boolean {
    return this.probe >= this.requests.done;
  }

  /** Sends the oldest that waits, alone. Only while nothing of the kind is under way. */
  sendProbe(): void {
    const [oldest] = this.parked.take(1);
    if (oldest === undefined) return;
    const number = this.requests.sent;
    this.redirector.unpark(oldest);
    this.sendAgain(oldest, false);
    // What it calls may be loaded before it.
    if (this.requests.sent > number) this.probe = this.requests.sent - 1;
  }

  /** The server has done what the probe asks. */
  private onProbed(): void {
    this.probe = NONE;
    this.redirector.onRecovered(this);
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
    const isFollowed = this.redirector.isFollowing || this.upstream.isReplica;
    const redirection =
      isError && isFollowed && sink !== null
        ? readRedirection(bytes, start, end, this.upstream.name)
        : null;
    if (redirection !== null && sink !== null) {
      this.redirect(redirection, sink, token, bytes, start, end);
      return;
    }
    const isProbe = requests.done === this.probe;
    requests.shift();
    if (this.awaiting.length > 0) this.liftFences();
    sink?.onReplies(token, 1, bytes, start, end, kind);
    if (isProbe) this.onProbed();
  }

  onFailure(_token: number, count: number, failure: Failure): void {
    const { requests, redirector } = this;
    redirector.suspect();
    if (redirector.waitsAfter(failure, this.upstream)) {
      for (let i = 0; i < count; i++) this.failOne(failure);
    } else {
      const { sink, token } = requests;
      requests.shiftRun(count);
      sink?.onFailure(token, count, failure);
    }
    if (this.awaiting.length > 0) this.liftFences();
  }

  /** The oldest request has got no reply: it waits until it can be sent again, if that is allowed. */
  private failOne(failure: Failure): void {
    const { requests, redirector } = this;
    const { sink, token, history } = requests;
    const place = sink === null ? null : redirector.find(requests.run);
    if (place === null) requests.shift();
    else requests.shiftTo(place.end);
    if (sink === null) return;
    const mayWait =
      place !== null &&
      history.tries < TRIES_MAX &&
      (!failure.wasSent || redirector.isRead(place)) &&
      !this.isLate(1);
    if (mayWait && redirector.park(this, { ...place, ...history, sink, token }, failure)) return;
    sink.onFailure(token, 1, failure);
  }

  /** Later requests have passed the one before the oldest `ahead` that is not done with. */
  private isLate(ahead: number): boolean {
    return this.requests.done - ahead < this.lateBefore;
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
    const isLate = this.isLate(0);
    const place = redirector.find(requests.run);
    const { history } = requests;
    if (redirection.type === "moved") redirector.learn(redirection.slot, redirection.to);
    else redirector.suspect();
    const mayGoOn = place !== null && history.tries < TRIES_MAX && !isLate;
    const next = mayGoOn ? { ...place, ...history, sink, token, tries: history.tries + 1 } : null;
    const error = bytes.subarray(start, end);
    // Before what waits until this one is done with.
    const isSentOn = next !== null && redirector.sendOn(this, redirection, next, error);
    if (place === null) requests.shift();
    else requests.shiftTo(place.end);
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
    link.wakeWaiters(Number.POSITIVE_INFINITY);
  }

  /** It has taken too long: what was sent here before may not be sent on any more. */
  giveUpFences(): void {
    while (this.awaiting.length > 0) {
      this.lateBefore = Math.max(this.lateBefore, this.awaiting[0]!.until);
      this.liftFirst();
    }
  }

  /** Takes all that waits, to send it elsewhere. */
  takeParked(): Parked[] {
    return this.parked.take(this.parked.size);
  }
}

/** Whether a server is not to be reached: that more requests wait for it than may tells nothing of that. */
export function tellsOfServer(refusal: Failure | null): boolean {
  return refusal !== null && refusal.kind !== "full";
}
