/** A connection that is lent to one session at a time; see Lease. Once lost it is of no more use. */
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure, Lease, ReplySink, Upstream } from "../api/upstream.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { cannotConnect, stopping } from "./failures.ts";

export interface LeaseOwner extends ConnectionOwner {
  /** Makes descriptor `fd` a stream, which `onStream` gets; see adoptStream. */
  adoptSocket(fd: number, onStream: (stream: Stream) => StreamEvents, onError: () => void): void;
  /** `isFree`: somebody else may have it. Else it is gone. */
  onReturned(connection: LeasedConnection, isFree: boolean): void;
}

const NOBODY = (): void => {};

export class LeasedConnection extends Connection implements Lease {
  readonly upstream: Upstream;
  readonly variant: number;
  mayBlock = false;
  whenLost: (failure: Failure) => void = NOBODY;
  /** When it was given back last; a clock of milliseconds. */
  returnedMs = 0;

  private readonly lender: LeaseOwner;
  private isGone = false;
  private onReady: ((failure: Failure | null) => void) | null = null;

  constructor(lender: LeaseOwner, protocol: UpstreamProtocol, upstream: Upstream, variant: number) {
    super(lender, protocol);
    this.lender = lender;
    this.upstream = upstream;
    this.variant = variant;
  }

  get fd(): number {
    return this.state === "ready" && this.stream !== null ? this.stream.fd : -1;
  }

  get isMovable(): boolean {
    return this.fd >= 0 && this.out.size === 0 && this.input.size === 0;
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
    this.whenLost = NOBODY;
    this.onReady = null;
    this.mayBlock = false;
    const isIdle = this.pending.size === 0 && this.out.size === 0 && this.input.size === 0;
    if (isClean && isIdle && this.state === "ready") {
      this.returnedMs = this.owner.turn.nowMs;
      this.lender.onReturned(this, true);
    } else {
      this.discard();
    }
  }

  leave(): void {
    this.forgetPending();
    const { stream } = this;
    this.stream = null;
    if (stream !== null) {
      this.statistics.count("server_connections", -1);
      stream.detach();
    }
    this.discard();
  }

  expect(sink: ReplySink, token: number): void {
    this.enqueue(sink, token, 1);
  }

  /** Goes on with a connection that stands already. */
  adopt(fd: number): void {
    this.state = "connecting";
    this.lender.adoptSocket(
      fd,
      (stream) => {
        this.stream = stream;
        this.statistics.count("server_connections", 1);
        this.ready();
        return this;
      },
      () => this.onConnectFailed(cannotConnect(this.owner.name, "ECONNRESET")),
    );
  }

  /** Closes it without a word to its session. */
  discard(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.forgetPending();
    this.close(stopping(this.owner.name, true), stopping(this.owner.name, false));
    this.lender.onReturned(this, false);
  }

  /** Takes it from its session. */
  fail(sent: Failure, unsent: Failure): void {
    this.close(sent, unsent);
    this.onGone(unsent);
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

  protected override onGone(failure: Failure): void {
    if (this.isGone) return;
    this.isGone = true;
    this.close(failure, failure);
    this.lender.onReturned(this, false);
    const { onReady, whenLost } = this;
    this.onReady = null;
    this.whenLost = NOBODY;
    onReady?.(failure);
    whenLost(failure);
  }

  private forgetPending(): void {
    this.pending.drain(() => {});
  }
}
