/**
 * How the client side and the server side of the data plane speak to each other.
 *
 * A token is the sink's own name for a request: a session's slot number, a gather's part number. It means
 * nothing to the upstream, which only gives it back.
 */
import type { ByteQueue } from "../base/byte-queue.ts";
import type { Wakeable } from "../base/turn.ts";
import type { ReplyKind } from "./protocol.ts";
import type { Access, RequestFacts } from "./request-facts.ts";

export type FailureKind =
  | "refused"
  | "closed"
  | "timeout"
  | "ejected"
  | "full"
  | "handshake"
  | "garbage"
  | "stopping";

/** Why a request got no reply. Preallocated; one object may be given to many requests. */
export interface Failure {
  readonly kind: FailureKind;
  /** The request may have reached the server: a write may or may not have happened. */
  readonly wasSent: boolean;
  /** It is this machine's own fault, and tells nothing against the server. */
  readonly isLocal?: true;
  /** For humans, one line; begins with the words that twemproxy uses for the same thing. */
  readonly text: string;
  /** "handshake": the server's own reply, for a client that chose what the server refuses; borrowed for ever, never changed. */
  readonly reply?: Buffer;
}

export interface ReplySink {
  /** It may be given the replies to several requests at once, which is faster. False: each comes alone, with its kind. */
  readonly takesRuns: boolean;
  /**
   * Of what it is given it refers to nothing for longer than until the end of the turn, but to ranges that `noteKept` was told of. Absent: it
   * may, and the memory is not used again.
   */
  readonly copiesReplies?: boolean;
  /**
   * Replies to `count` consecutive requests, token … token + count - 1, lie in bytes[start, end) back to back.
   * The bytes are borrowed, but a range of them may be kept instead of copied (`ByteQueue.appendKept`): they never change.
   * For count > 1 the boundaries in between are unknown.
   * @param kind of the reply; `mixed` when the sink takes runs
   */
  onReplies(
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void;
  /**
   * Whether the whole reply in bytes[start, end) can be the one to request `token`. Asked of each reply before `onReplies`, where
   * the protocol's scanner `identifiesRequests`; absent: it can. False ends the connection, and the request fails with it. The sink may
   * change the bytes in place, because they were not seen by any other part yet.
   * @param parts see ReplyScanner
   */
  accepts?(token: number, bytes: Buffer, start: number, end: number, parts: number): boolean;
  /** No reply will come for `count` consecutive requests. Each token gets exactly one of onReplies and onFailure. */
  onFailure(token: number, count: number, failure: Failure): void;
}

declare const brand: unique symbol;
/**
 * What must not be mixed on one connection (protocol, database, user), as the number of a row in the pool's table of kinds,
 * `ProtocolPool.serverProtocols`. Only who owns that table makes such numbers.
 */
export type ConnectionKind = number & { readonly [brand]: true };

/** What clients need that have chosen nothing: the first row of every pool's table. */
export const FIRST_KIND: ConnectionKind = 0 as ConnectionKind;

/** In place of a kind: there is none. */
export const NO_KIND: ConnectionKind = -1 as ConnectionKind;

/** The kind in row number `row` of a pool's table; for the owner of the table. */
export function connectionKind(row: number): ConnectionKind {
  return row as ConnectionKind;
}

/**
 * What requests to one server are sent to. It answers in order. As a rule that is a connection; in its place may be something
 * that wraps one, and sees the replies first.
 */
export interface Link {
  /** The same of what it is sent, as with `ReplySink.copiesReplies`. */
  readonly copiesRequests?: boolean;
  /** Not null: requests would fail with this at once. */
  readonly refusal: Failure | null;
  /**
   * With a `refusal`, true: it may pass soon, and a request that was not taken so far may wait for that by `waitForRoom`. Absent: it
   * stands.
   */
  readonly isRecovering?: boolean;
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
  /** Wakes `waiter` when the connection stands and has room, or is lost. Opens it if need be. */
  waitForRoom(waiter: Wakeable): void;
}

/**
 * Makes what clients of a pool get in place of its shared connections. What it makes sends what it is given over `link`, and passes
 * replies and failures on: one outcome for each token.
 * @param index number of the connection among those of this kind to `upstream`; each server has as many
 */
export type DecorateLink = (
  link: Link,
  upstream: Upstream,
  kind: ConnectionKind,
  index: number,
) => Link;

/** A connection to a server that one session has for itself: what it leaves on it hurts no other session. */
export interface Lease extends Link {
  readonly upstream: Upstream;
  readonly variant: ConnectionKind;
  /** True while a command is on it that may take as long as it likes: no reply is late then. */
  mayBlock: boolean;
  /** Told once when the connection is lost while it is leased, after its requests were told; not by `release`. */
  whenLost: (failure: Failure) => void;
  /** Calls back once: null when it stands and its handshake is answered, else why not. Maybe at once. */
  whenReady(callback: (failure: Failure | null) => void): void;
  /**
   * Gives it back. What is still on it is told nothing any more. Clean: as good as new, another session may have it. Else it
   * is closed, and with it whatever blocks or is half done on it.
   */
  release(isClean: boolean): void;
  /** See `Stream.quiesce`. */
  quiesce(): void;
  /** Everything is sent, nothing half received and nothing awaited but what blocks: with its descriptor, another process can go on. */
  readonly isMovable: boolean;
  /** The connection's descriptor; -1 when it does not stand. */
  readonly fd: number;
  /** Another process has the connection now. */
  leave(): void;
  /** For a connection that was adopted: `token` of `sink` awaits the next reply, its request was sent by another process. */
  expect(sink: ReplySink, token: number): void;
}

/** What is heard of a SubscriberConnection. */
export interface SubscriberEvents {
  /** The connection stands, and nothing is subscribed on it, unless it is one that was adopted. */
  onUp(): void;
  /** One complete message or reply is bytes[start, end): borrowed, but a range may be kept, because they never change. */
  onMessage(bytes: Buffer, start: number, end: number): void;
  /** The connection is lost, or could not be made. It is tried again until `discard`. */
  onDown(failure: Failure): void;
}

/** A connection over which a server sends messages unasked. Its owner must know which reply belongs to which request. */
export interface SubscriberConnection {
  /** To be called once, unless it goes on with one that another process has left: then `adopt`. */
  open(): void;
  adopt(left: LeftSubscriber): void;
  readonly isUp: boolean;
  /** Not null: it is down, and why. */
  readonly refusal: Failure | null;
  /** Too much is waiting to be sent. */
  readonly isFull: boolean;
  waitForRoom(waiter: Wakeable): void;
  /** Queues one request; only while `isUp`. The bytes must never change again. */
  ask(bytes: Buffer): void;
  /** What came makes no sense: a new connection is made instead. */
  resetProtocol(): void;
  /** Nothing comes any more although it should. */
  giveUp(silentMs: number): void;
  /** Closes it for good. Nothing more is heard of it. */
  discard(): void;
  /** It stands and everything is sent: with its descriptor and what is `unread`, another process can go on. */
  readonly isMovable: boolean;
  readonly fd: number;
  /** A copy of what was received of a message that is not complete. */
  readonly unread: Buffer;
  /**
   * Reads nothing from now on; what was received already is heard inside of this call. For the moment before `leave` only: a server
   * cuts who does not read.
   */
  pause(): void;
  /** Another process has the connection now. */
  leave(): void;
}

/** A connection that another process has left; `fd` belongs to the receiver of this. */
export interface LeftSubscriber {
  readonly fd: number;
  readonly unread: Buffer;
}

/** One server. */
export interface Upstream {
  /** Small, so that arrays may be indexed by it; never stands for another server in this process. */
  readonly id: number;
  /** Names it in all processes, see `Member.id`: what belongs to it finds it again there. */
  readonly member: string;
  readonly name: string;
  /** ≥ 1: its share of what is spread, relative to the other servers. */
  readonly weight: number;
  /** Where it is, as it is written in a configuration. */
  readonly address: string;
  /** Keys do not go to it: it has copies of those of another server. */
  readonly isReplica: boolean;
  /** Taken out of the ring until it answers again. */
  readonly isEjected: boolean;
  /** Its requests fail at once, until it is up again. Absent: that is not known. */
  readonly isDown?: boolean;
  /** Nothing tells against it. Absent likewise. */
  readonly isWell?: boolean;
  /** Another number after each loss of a connection to it: what it was told to keep (scripts) may be gone since. */
  readonly incarnation: number;
  /**
   * The way there for all sessions with this lane number: one session always gets the same one, so order is kept.
   */
  connection(lane: number, variant: ConnectionKind): Link;
  /**
   * A connection of kind `variant` for one session alone; null: as many are lent as may be, to all or to `origin`.
   * @param origin of the session's client, see `Stream.origin`
   */
  lease(variant: ConnectionKind, origin: string): Lease | null;
  /** After `lease` gave null: why, for the client; the log is told, too. */
  whyNoLease(origin: string): string;
  /** Goes on with a leased connection that another process has left; `fd` belongs to the lease. */
  adopt(fd: number, variant: ConnectionKind, origin: string): Lease;
  /** A connection of kind `variant` (RESP2) for subscriptions. */
  subscriber(variant: ConnectionKind, events: SubscriberEvents): SubscriberConnection;
}

/** Maps keys to servers. */
export interface Route {
  /** All that keys may go to, in the order of their topology. Another array when servers have come or gone. */
  readonly upstreams: readonly Upstream[];
  /** `upstreams`, and in a tree those that stand for the same servers at its other places. */
  readonly all: readonly Upstream[];
  /** Those of `upstreams` that what concerns all servers goes to, if it has such access. */
  targets(access: Access): readonly Upstream[];
  /** Those of `upstream`, one of `upstreams`, from which may be read. */
  replicasOf(upstream: Upstream): readonly Upstream[];
  /** Grows whenever keys may have moved. */
  readonly epoch: number;
  /** Keys belong to slots, and one request may only name keys of one slot, even if a server has several. */
  readonly isSlotted: boolean;
  /** Several upstreams that `pick` gives may lead to the same connection. */
  readonly sharesConnections: boolean;
  /** The slot of the key in `request`; only if `isSlotted`. */
  slotOf(request: RequestFacts): number;
  /** A key's server is the same each time, as long as no server leaves or comes back. */
  readonly isStable: boolean;
  /** All keys go there, now. Absent or null: that is not known. */
  readonly only?: Upstream | null;
  /** The server for a request, or null when none is left. Pure: no I/O, no clock, no allocation. */
  pick(request: RequestFacts): Upstream | null;
}
