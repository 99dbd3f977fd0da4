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
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure, Lease, ReplySink, Upstream } from "../api/upstream.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { connectionLost, stopping } from "./failures.ts";

export interface LeaseOwner extends ConnectionOwner {
  /** Makes descriptor `fd` a stream, which `onStream` gets and may refuse with null; see adoptStream. */
  adoptSocket(
    fd: number,
    onStream: (stream: Stream) => StreamEvents | null,
    onError: () => void,
  ): void;
  /** `isFree`: another session may have it. Else it is gone. */
  onReturned(connection: LeasedConnection, isFree: boolean): void;
}

const NO_OP = (): void => {};
/** A request that another process sent lies before everything that is sent here. */
const SENT_ELSEWHERE = -1;

export class LeasedConnection extends Connection implements Lease {
  readonly upstream: Upstream;
  readonly variant: number;
  whenLost: (failure: Failure) => void = NO_OP;
  /** Whose client it is lent to, see `Stream.origin`; null: it is free. */
  origin: string | null = null;
  /** When it was given back last; a clock of milliseconds. */
  returnedMs = 0;

  private readonly lender: LeaseOwner;
  private isBlocking = false;
  private isAdopted = false;
  private isGone = false;
  private onReady: ((failure: Failure | null) => void) | null = null;

  constructor(lender: LeaseOwner, protocol: UpstreamProtocol, upstream: Upstream, variant: number) {
    super(lender, protocol);
    this.lender = lender;
    this.upstream = upstream;
    this.variant = variant;
  }

  get mayBlock(): boolean {
    return this.isBlocking;
  }

  set mayBlock(mayBlock: boolean) {
    this.isBlocking = mayBlock;
    // What was asked meanwhile has a limit again.
    this.watch();
  }

  get fd(): number {
    return this.state === "ready" && this.stream !== null ? this.stream.fd : -1;
  }

  get isMovable(): boolean {
    // A reply that comes too late for its request would answer the next one there.
    const isExpected = this.pending.size <= (this.mayBlock ? 1 : 0);
    return this.fd >= 0 && this.stream!.isMovable && this.isQuiet && isExpected;
  }

  /** Nothing is unsent or half received. */
  private get isQuiet(): boolean {
    return this.out.size === 0 && this.input.size === 0;
  }

  whenReady(callback: (failure: Failure | null) => void): void {
    if (this.state === "ready") callback(null);
    else if (this.refusal !== null) callback(this.refusal);
    else {
      this.onReady = callback;
      this.open();
    }
  }

  release(isClean: boolean): void {
    if (this.isGone) return;
    const isIdle = this.isQuiet && this.pending.size === 0 && this.state === "ready";
    // What was agreed on an adopted one is hearsay.
    if (isClean && isIdle && !this.isAdopted) {
      this.whenLost = NO_OP;
      this.onReady = null;
      this.mayBlock = false;
      this.returnedMs = this.owner.turn.nowMs;
      this.lender.onReturned(this, true);
    } else {
      this.discard();
    }
  }

  leave(): void {
    this.pending.drain(NO_OP);
    const { stream } = this;
    this.stream = null;
    if (stream !== null) {
      this.statistics.count("server_connections", -1);
      stream.detach();
    }
    this.discard();
  }

  expect(sink: ReplySink, token: number): void {
    // Counted as a request where it was sent.
    this.pending.push(sink, token, 1, this.owner.turn.nowMs, SENT_ELSEWHERE);
  }

  /** Goes on with a connection that stands already. */
  adopt(fd: number): void {
    this.isAdopted = true;
    this.state = "connecting";
    this.connectStartedMs = this.owner.turn.nowMs;
    this.watch();
    this.lender.adoptSocket(
      fd,
      (stream) => {
        if (this.isGone) return null;
        this.stream = stream;
        this.statistics.count("server_connections", 1);
        this.ready();
        return this;
      },
      () => this.takeDown(...this.lostOnTheWay()),
    );
  }

  /** Closes it without a word to its session. */
  discard(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.whenLost = NO_OP;
    this.onReady = null;
    this.pending.drain(NO_OP);
    this.close(stopping(this.owner.name, true), stopping(this.owner.name, false));
    this.lender.onReturned(this, false);
  }

  /** Takes it from its session. */
  override takeDown(sent: Failure, unsent: Failure): void {
    this.close(sent, unsent);
    this.onGone(unsent);
  }

  protected override get isShared(): boolean {
    return false;
  }

  protected override get timeoutMs(): number | null {
    return this.mayBlock ? null : super.timeoutMs;
  }

  protected override ready(): void {
    super.ready();
    const callback = this.onReady;
    this.onReady = null;
    callback?.(null);
  }

  protected override onConnectFailed(failure: Failure): void {
    if (this.isAdopted) this.takeDown(...this.lostOnTheWay());
    else super.onConnectFailed(failure);
  }

  private lostOnTheWay(): [sent: Failure, unsent: Failure] {
    return [connectionLost(this.owner.name, true), connectionLost(this.owner.name, false)];
  }

  protected override onGone(failure: Failure): void {
    if (this.isGone) return;
    this.isGone = true;
    this.close(failure, failure);
    this.lender.onReturned(this, false);
    const { onReady, whenLost } = this;
    this.onReady = null;
    this.whenLost = NO_OP;
    onReady?.(failure);
    whenLost(failure);
  }
}
