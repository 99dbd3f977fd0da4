/** How a protocol's frontend and the session of its client speak to each other. */
import type { ByteQueue } from "../base/byte-queue.ts";
import type { Flushable, Turn, Wakeable } from "../base/turn.ts";
import type { Family } from "./latency.ts";
import type { Failure, Link, ReplySink } from "./upstream.ts";

/** Tokens wrap here: they stay small integers, and any two in use differ. */
export const TOKEN_MASK = 0x3fffffff;

/**
 * Collects the replies to the parts of a request until all have come.
 *
 * What came is referred to where it lies while the event loop's turn lasts, because mostly the missing parts are in the next
 * socket's chunk. After that it is copied, so that a few bytes do not pin the chunk that they came in.
 */
export interface ReplyHolder {
  /** The client is gone: what is held for it is not needed. */
  drop(): void;
}

/**
 * A client's session, as its frontend sees it: it owes the client one reply for each token that was opened, in their order.
 *
 * When what it can do has changed, it is marked or woken (`turn`). As a ReplySink it may be given to a connection: each reply goes to the client, and each failure as the frontend words it.
 */
export interface ClientPort extends ReplySink, Wakeable, Flushable {
  readonly turn: Turn;
  /** Chooses among the connections to a server, see lane.ts. It changes only while nothing is owed. */
  readonly lane: number;
  /** See `Stream.origin`. */
  readonly origin: string;
  /** See `Stream.peer`. */
  readonly peer: string;
  /** See `Stream.localAddress`. */
  readonly localAddress: string;
  /** The descriptor of the client's connection; -1 once it is closed. */
  readonly fd: number;
  readonly isOpen: boolean;

  // Requests

  /** False: the frontend is to stop taking requests; it is called again when that is over. */
  mayTakeMore(): boolean;
  /** Requests that were opened and not answered. */
  readonly owed: number;
  /** Nothing is owed: every request so far is answered. */
  readonly isSettled: boolean;
  /** Stops taking requests until every request so far is answered. */
  waitUntilSettled(): void;
  /** Like `waitUntilSettled`, for a reply that may never come: a client that ends meanwhile is closed. */
  waitBlocked(): void;
  /** Stops taking requests until it is woken (`Turn.wake`). */
  waitForWake(): void;
  /** Stops taking requests until `connection` has room. */
  waitFor(connection: Pick<Link, "waitForRoom">): void;

  /** Of the request at hand: its time counts there. To be set before `open`; never read. */
  family: Family;

  // Replies

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void;
  /** A reply is owed from now on. @returns its token */
  open(): number;
  /** The token that was opened last; only while one is open. */
  readonly lastToken: number;
  /**
   * The client wants no replies to what follows: tokens that are opened now are answered with nothing. Several tokens may be
   * settled at once only when all or none of them are muted: between the two there must be one that is settled alone.
   */
  isMuted: boolean;
  /** Settles `token` with bytes that never change. */
  reply(token: number, bytes: Buffer): void;
  /**
   * The queue to the client, when the reply to `token` may be appended to it piece by piece; `composed` ends that. Null: others
   * come first, so it must be one buffer for `reply`.
   */
  compose(token: number): ByteQueue | null;
  /** After `compose`: the reply is complete, with so many bytes. */
  composed(bytes: number): void;
  /** The reply that tells this client that the request of `token` met `failure`. Kept: may be handed out again. */
  failureReply(failure: Failure, token: number): Buffer;
  /** Sends the client bytes that answer no request, and that never change. */
  push(bytes: Buffer, start: number, end: number): void;
  /** Bytes that the client has not taken. */
  readonly unsentBytes: number;
  /** So much is unsent that what can wait should: use `waitForRoom`. */
  readonly isFull: boolean;
  /** Wakes `waiter` once when little is unsent. One at a time; forgotten when the client is gone. */
  waitForRoom(waiter: Wakeable): void;
  /** `holder` collects a reply over more than a turn, and holds `bytes` more of it than before. The client may be cut. */
  hold(holder: ReplyHolder, bytes: number): void;
  /** `holder` holds none of its `bytes` any more. */
  letGo(holder: ReplyHolder, bytes: number): void;
  /**
   * What the client has left inside of commands (a transaction, a wait) takes `by` bytes of memory more than before, or fewer: negative.
   * When the client is gone, that takes nothing, and need not be told.
   */
  keep(by: number): void;

  // Ending

  /** Sends FIN behind what is unsent; nothing may be sent after it. The client may go on sending, and what it sends is consumed. */
  endOutput(): void;
  /** Closes as soon as nothing is owed, unsent or half received; until then it takes requests. */
  drain(): void;
  /** Takes no more requests; closes when all that is owed is written. */
  finish(): void;
  /** Like `finish`, but the connection is reset then: the client shall not take what it got for the whole. */
  finishByReset(): void;
  /** Closes at once. */
  close(): void;

  // Moving

  /** The client is connected and was not told that this is the end. */
  readonly canMove: boolean;
  /** Now is a moment to move it to another process. */
  readonly isReadyToMove: boolean;
}
