/**
 * A connection that is lent to one session at a time; see Lease. Once lost it is of no more use.
 *
 *   lent ──release(clean)──▶ free ──lease──▶ lent …       (LeasePool)
 *    │ lost, release(unclean), leave          │ lost, too long free
 *    └──────────────▶ gone ◀──────────────────┘
 *
 * Its loss tells nothing against the server: a session may have brought it about. That no connection can be made does.
 */
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { ConnectionKind, Failure, Lease, ReplySink, Upstream } from "../api/upstream.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import type { Wakeable } from "../base/turn.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionRole } from "./connection-role.ts";
import type { AdoptSocket } from "./dialer.ts";
import { connectionLost, stopping } from "./failures.ts";

export interface LeaseOwner extends ConnectionOwner {
  /** Makes descriptor `fd` a stream, which `onStream` gets and may refuse with null; see adoptStream. */
  readonly adoptSocket: AdoptSocket;
  /** `isFree`: another session may have it. Else it is gone. */
  onReturned(connection: LeasedConnection, isFree: boolean): void;
}

const NO_OP = (): void => {};
/** A request that another process sent lies before everything that is sent here. */
const SENT_ELSEWHERE = -1;

export class LeasedConnection implements Lease, ConnectionRole {
  /** The server may have nothing to say for long. */
  readonly isWatched = true;
  readonly isAskable = false;
  readonly copiesRequests = true;
  readonly messages = null;
  readonly pendingMax: number = Number.POSITIVE_INFINITY;
  readonly protocol: UpstreamProtocol;
  readonly upstream: Upstream;
  readonly variant: ConnectionKind;
  whenLost: (failure: Failure) => void = NO_OP;
  /** Whose client it is lent to, see `Stream.origin`; null: it is free. */
  origin: string | null = null;
  /** When it was given back last; a clock of milliseconds. */
  returnedMs = 0;

  private readonly connection: Connection;
  private readonly owner: LeaseOwner;
  private isBlocking = false;
  private isAdopted = false;
  private isGone = false;
  private whenUp: ((failure: Failure | null) => void) | null = null;

  constructor(
    owner: LeaseOwner,
    protocol: UpstreamProtocol,
    upstream: Upstream,
    variant: ConnectionKind,
  ) {
    this.owner = owner;
    this.protocol = protocol;
    this.upstream = upstream;
    this.variant = variant;
    this.connection = new Connection(owner, protocol, this);
  }

  // Requests

  get refusal(): Failure | null {
    return this.connection.refusal;
  }

  get isFull(): boolean {
    return this.connection.isFull;
  }

  get pendingCount(): number {
    return this.connection.pendingCount;
  }

  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    this.connection.send(bytes, start, end, sink, token, count);
  }

  begin(sink: ReplySink, token: number): ByteQueue {
    return this.connection.begin(sink, token);
  }

  commit(): void {
    this.connection.commit();
  }

  waitForRoom(waiter: Wakeable): void {
    this.connection.waitForRoom(waiter);
  }

  get mayBlock(): boolean {
    return this.isBlocking;
  }

  set mayBlock(mayBlock: boolean) {
    this.isBlocking = mayBlock;
    // What was asked meanwhile has a limit again.
    this.connection.watch();
  }

  watch(): void {
    this.connection.watch();
  }

  get timeoutMs(): number | null {
    return this.isBlocking ? null : this.owner.timeoutMs;
  }

  readonly queueMs = null;

  get firstByteMs(): number | null {
    return this.isBlocking ? null : this.owner.firstByteMs;
  }

  get fd(): number {
    return this.connection.dialer.fd;
  }

  quiesce(): void {
    this.connection.dialer.stream?.quiesce();
  }

  get isMovable(): boolean {
    // A reply that comes too late for its request would answer the next one there.
    const isExpected = this.pendingCount <= (this.mayBlock ? 1 : 0);
    return this.connection.dialer.isMovable && this.isQuiet && isExpected;
  }

  /** Nothing is unsent or half received. */
  private get isQuiet(): boolean {
    return this.connection.out.size === 0 && this.connection.input.size === 0;
  }

  whenReady(callback: (failure: Failure | null) => void): void {
    if (this.connection.dialer.isReady) callback(null);
    else if (this.refusal !== null) callback(this.refusal);
    else {
      this.whenUp = callback;
      this.connection.open();
    }
  }

  release(isClean: boolean): void {
    if (this.isGone) return;
    const isIdle = this.isQuiet && this.pendingCount === 0 && this.connection.dialer.isReady;
    // What was agreed on an adopted one is hearsay.
    if (isClean && isIdle && !this.isAdopted) {
      this.whenLost = NO_OP;
      this.whenUp = null;
      this.mayBlock = false;
      this.returnedMs = this.owner.turn.nowMs;
      this.owner.onReturned(this, true);
    } else {
      this.discard();
    }
  }

  leave(): void {
    this.connection.pending.drain(NO_OP);
    this.connection.dialer.leave();
    this.discard();
  }

  expect(sink: ReplySink, token: number): void {
    // Counted as a request where it was sent.
    this.connection.pending.push(sink, token, 1, this.owner.turn.nowMs, SENT_ELSEWHERE);
  }

  /** Goes on with a connection that stands already. */
  adopt(fd: number): void {
    this.isAdopted = true;
    this.connection.dialer.adopt(
      fd,
      (...adoption) => this.owner.adoptSocket(...adoption),
      () => this.takeDown(...this.lostOnTheWay()),
    );
  }

  /** Closes it without a word to its session. */
  discard(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.whenLost = NO_OP;
    this.whenUp = null;
    this.connection.pending.drain(NO_OP);
    this.connection.close(stopping(this.owner.name, true), stopping(this.owner.name, false));
    this.owner.onReturned(this, false);
  }

  /** Takes it from its session. */
  takeDown(sent: Failure, unsent: Failure): void {
    this.connection.close(sent, unsent);
    this.onGone(unsent);
  }

  // What happens to the connection

  onOpen(): void {}

  onReady(): void {
    const callback = this.whenUp;
    this.whenUp = null;
    callback?.(null);
  }

  onHungUp(): void {}

  onLost(failure: Failure): void {
    this.onGone(failure);
  }

  /** A connection that did not survive its move says nothing about the server. */
  endsBy(): boolean {
    if (this.isAdopted) this.takeDown(...this.lostOnTheWay());
    return this.isAdopted;
  }

  onFailed(failure: Failure): void {
    this.onGone(failure);
  }

  private lostOnTheWay(): [sent: Failure, unsent: Failure] {
    return [connectionLost(this.owner.name, true), connectionLost(this.owner.name, false)];
  }

  private onGone(failure: Failure): void {
    if (this.isGone) return;
    this.isGone = true;
    this.connection.close(failure, failure);
    this.owner.onReturned(this, false);
    const { whenUp, whenLost } = this;
    this.whenUp = null;
    this.whenLost = NO_OP;
    whenUp?.(failure);
    whenLost(failure);
  }
}
