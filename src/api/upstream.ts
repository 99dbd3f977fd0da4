/**
 * How the client side and the server side of the data plane speak to each other.
 *
 * A token is the sink's own name for a request: a session's slot number, a gather's part number. It means
 * nothing to the upstream, which only gives it back.
 */
import type { ByteQueue } from "../base/byte-queue.ts";
import type { Wakeable } from "../base/turn.ts";

export type FailureKind =
  | "refused"
  | "closed"
  | "timeout"
  | "ejected"
  | "handshake"
  | "garbage"
  | "stopping";

/** Why a request got no reply. Preallocated; one object may be given to many requests. */
export interface Failure {
  readonly kind: FailureKind;
  /** The request may have reached the server: a write may or may not have happened. */
  readonly wasSent: boolean;
  /** For humans, one line; begins with the words that twemproxy uses for the same thing. */
  readonly text: string;
}

export interface ReplySink {
  /**
   * Replies to `count` consecutive requests, token … token + count - 1, lie in bytes[start, end) back to back.
   * The bytes are borrowed, but a range of them may be kept instead of copied (`ByteQueue.appendKept`): they never change.
   * For count > 1 the boundaries in between are unknown.
   */
  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void;
  /** No reply will come for `count` consecutive requests. Each token gets exactly one of onReplies and onFailure. */
  onFailure(token: number, count: number, failure: Failure): void;
}

/** One connection to one server. It answers in order. */
export interface UpstreamConnection {
  /** Not null: requests would fail with this at once. */
  readonly refusal: Failure | null;
  /** Too much is waiting already: use `waitForRoom`. */
  readonly isFull: boolean;
  /**
   * Queues the `count` requests in bytes[start, end); only while `refusal` is null. The buffer is the sender's, but
   * must never change again: a large range is kept instead of copied.
   */
  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void;
  /**
   * Begins one request that the sender writes in pieces to the queue it gets (borrowed until `commit`). Nothing else
   * may be asked of this connection in between.
   */
  begin(sink: ReplySink, token: number): ByteQueue;
  commit(): void;
  /** Wakes `waiter` when there is room again, or when the connection is lost. */
  waitForRoom(waiter: Wakeable): void;
}

/** One server. */
export interface Upstream {
  readonly name: string;
  /** Position in its pool. */
  readonly index: number;
  /** Taken out of the ring until it answers again. */
  readonly isEjected: boolean;
  /**
   * The connection of kind `variant` for all sessions with this lane number: one session always gets the same one, so
   * order is kept. A variant is what must not be mixed on a connection (protocol, database, user); the pool numbers them.
   */
  connection(lane: number, variant: number): UpstreamConnection;
}

/** Maps keys to servers. */
export interface Route {
  readonly upstreams: readonly Upstream[];
  /** The server of key bytes[start, end), or null when none is left. Pure: no I/O, no clock, no allocation. */
  pick(bytes: Buffer, start: number, end: number): Upstream | null;
}
