/**
 * A client of a pool that is the proxy itself: requests that a link sends on to another branch of a tree go through a frontend there, which
 * splits them over that branch's servers as it does those of any client.
 *
 *   FailoverLink, MirrorLink ─take▶ InnerClient ─consume▶ Frontend ─▶ connections of the other branch
 *
 * What it is given is copied, and taken up at the end of the turn: one frontend must not be run within another. Replies and failures go to
 * the sinks that came with the requests.
 */
import { type ClientPort, TOKEN_MASK } from "../../api/client-port.ts";
import type { Frontend } from "../../api/frontend.ts";
import { FAMILY, type Family } from "../../api/latency.ts";
import { KIND, type ReplyKind, type ReplyScanner } from "../../api/protocol.ts";
import type { Failure, Link, ReplySink } from "../../api/upstream.ts";
import { copyOf } from "../../base/copy-of.ts";
import { INNER_CLIENT_BYTES_MAX } from "../../base/limits.ts";
import type { Turn, Wakeable } from "../../base/turn.ts";
import { OpenTokens } from "./open-tokens.ts";

const BROKEN: Failure = {
  kind: "garbage",
  wasSent: false,
  text: "Connection reset by peer (the proxy could not send the command on to another pool)",
};
const WRONG_REPLY: Failure = {
  kind: "garbage",
  wasSent: true,
  text: "Connection reset by peer (a server sent a reply that does not fit; the command may or may not have been executed)",
};

/** Requests that came together, in bytes[start, end). */
interface Batch {
  readonly bytes: Buffer;
  start: number;
  readonly sink: ReplySink;
  readonly token: number;
  readonly count: number;
  /** So many of them have begun. */
  begun: number;
}

export interface InnerClientOptions {
  readonly turn: Turn;
  readonly lane: number;
  readonly createFrontend: (client: ClientPort) => Frontend;
  /** Of the protocol that it speaks. */
  readonly createScanner: () => ReplyScanner;
}

export class InnerClient implements ClientPort, ReplySink {
  readonly takesRuns = false;
  isMarked = false;
  isWoken = false;
  readonly turn: Turn;
  readonly lane: number;
  readonly origin = "";
  readonly peer = "";
  readonly localAddress = "";
  readonly fd = -1;
  readonly unsentBytes = 0;
  readonly isFull = false;
  readonly canMove = false;
  readonly isReadyToMove = false;
  isMuted = false;
  family: Family = FAMILY.read;
  lastToken = 0;
  isOpen = true;

  private readonly frontend: Frontend;
  private readonly scanner: ReplyScanner;
  private readonly batches: Batch[] = [];
  /** Of `batches`. */
  private heldBytes = 0;
  private readonly tokens: OpenTokens = new OpenTokens();
  private isWaiting = false;
  private isSettling = false;
  private waiters: Wakeable[] = [];

  constructor({ turn, lane, createFrontend, createScanner }: InnerClientOptions) {
    this.turn = turn;
    this.lane = lane;
    this.scanner = createScanner();
    this.frontend = createFrontend(this);
  }

  // What links give it

  /** It holds as much as it may: what is given to it is to wait, or to be left out. */
  get isBusy(): boolean {
    return this.heldBytes >= INNER_CLIENT_BYTES_MAX;
  }

  /** Sends the `count` requests in bytes[start, end); the bytes may change afterwards. */
  take(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    this.heldBytes += end - start;
    this.batches.push({ bytes: copyOf(bytes, start, end), start: 0, sink, token, count, begun: 0 });
    this.turn.wake(this);
  }

  /** Wakes `waiter` when it is not busy. */
  whenRoom(waiter: Wakeable): void {
    if (this.isBusy) this.waiters.push(waiter);
    else this.turn.wake(waiter);
  }

  wakeUp(): void {
    this.isWaiting = false;
    if (!this.isOpen) {
      this.failAll();
      return;
    }
    if (this.isSettling && this.tokens.count > 0) return;
    this.isSettling = false;
    while (this.batches.length > 0 && this.mayTakeMore()) this.takeUp(this.batches[0]!);
    if (this.isBusy) return;
    for (const waiter of this.waiters.splice(0)) this.turn.wake(waiter);
  }

  private takeUp(batch: Batch): void {
    const { bytes } = batch;
    const taken = this.frontend.consume(bytes, batch.start, bytes.length);
    this.heldBytes -= taken - batch.start;
    batch.start = taken;
    if (taken < bytes.length && !this.mayTakeMore() && this.isOpen) return;
    // All of it is sent, or what is left cannot be.
    this.heldBytes -= bytes.length - taken;
    this.batches.shift();
    this.failRest(batch);
  }

  // What its frontend does with it

  mayTakeMore(): boolean {
    return this.isOpen && !this.isWaiting && !this.isSettling;
  }

  get owed(): number {
    return this.tokens.count;
  }

  get isSettled(): boolean {
    return this.tokens.count === 0;
  }

  waitUntilSettled(): void {
    this.isSettling = true;
    this.onSettled();
  }

  waitBlocked(): void {
    this.waitUntilSettled();
  }

  waitForWake(): void {
    this.isWaiting = true;
  }

  waitFor(connection: Pick<Link, "waitForRoom">): void {
    this.isWaiting = true;
    connection.waitForRoom(this);
  }

  open(): number {
    const batch = this.batches[0];
    const isAsked = batch !== undefined && batch.begun < batch.count;
    this.lastToken = isAsked
      ? this.tokens.open(batch.sink, (batch.token + batch.begun++) & TOKEN_MASK)
      : this.tokens.open(null, 0);
    return this.lastToken;
  }

  onReplies(
    token: number,
    _count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind = KIND.mixed,
  ): void {
    const { tokens } = this;
    const sink = tokens.settle(token);
    const outer = tokens.outer;
    this.onSettled();
    if (sink === null) return;
    if (sink.accepts !== undefined) {
      this.scanner.scan(bytes, start, end);
      if (!sink.accepts(outer, bytes, start, end, this.scanner.parts)) {
        sink.onFailure(outer, 1, WRONG_REPLY);
        return;
      }
    }
    const known = kind === KIND.mixed ? this.scanner.kindOf(bytes, start, end) : kind;
    sink.onReplies(outer, 1, bytes, start, end, known);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    for (let i = 0; i < count; i++) {
      const sink = this.tokens.settle((token + i) & TOKEN_MASK);
      const { outer } = this.tokens;
      this.onSettled();
      sink?.onFailure(outer, 1, failure);
    }
  }

  reply(token: number, bytes: Buffer): void {
    // A sink may change what it accepts, and these bytes may be the reply to others, too.
    const own = copyOf(bytes, 0, bytes.length);
    this.onReplies(token, 1, own, 0, own.length);
  }

  private onSettled(): void {
    if (this.isSettling && this.tokens.count === 0) this.turn.wake(this);
  }

  compose(): null {
    return null;
  }

  composed(): void {}

  failureReply(failure: Failure, token: number): Buffer {
    return this.frontend.failureReply(failure, token);
  }

  push(): void {}

  waitForRoom(waiter: Wakeable): void {
    this.turn.wake(waiter);
  }

  hold(): void {}

  letGo(): void {}

  keep(): void {}

  endOutput(): void {
    this.close();
  }

  drain(): void {
    this.close();
  }

  finish(): void {
    this.close();
  }

  finishByReset(): void {
    this.close();
  }

  /** Takes no more: what it holds fails when it is woken. What was sent is still answered. */
  close(): void {
    this.isOpen = false;
    this.turn.wake(this);
  }

  private failAll(): void {
    for (const batch of this.batches.splice(0)) this.failRest(batch);
    this.heldBytes = 0;
    for (const waiter of this.waiters.splice(0)) this.turn.wake(waiter);
  }

  private failRest({ sink, token, count, begun }: Batch): void {
    for (let i = begun; i < count; i++) sink.onFailure((token + i) & TOKEN_MASK, 1, BROKEN);
  }

  flush(): void {}
}
