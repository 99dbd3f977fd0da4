/** A lease of another pool's server, which says that it is one of the pool whose tree leads there. */
import type { ConnectionKind, Failure, Lease, ReplySink, Upstream } from "../../api/upstream.ts";
import type { ByteQueue } from "../../base/byte-queue.ts";
import type { Wakeable } from "../../base/turn.ts";

export class RoutedLease implements Lease {
  readonly upstream: Upstream;
  readonly variant: ConnectionKind;
  readonly copiesRequests: boolean;
  private readonly lease: Lease;

  constructor(lease: Lease, upstream: Upstream, variant: ConnectionKind) {
    this.lease = lease;
    this.upstream = upstream;
    this.variant = variant;
    this.copiesRequests = lease.copiesRequests === true;
  }

  get refusal(): Failure | null {
    return this.lease.refusal;
  }

  get isRecovering(): boolean {
    return this.lease.isRecovering === true;
  }

  get isFull(): boolean {
    return this.lease.isFull;
  }

  get mayBlock(): boolean {
    return this.lease.mayBlock;
  }

  set mayBlock(mayBlock: boolean) {
    this.lease.mayBlock = mayBlock;
  }

  get whenLost(): (failure: Failure) => void {
    return this.lease.whenLost;
  }

  set whenLost(callback: (failure: Failure) => void) {
    this.lease.whenLost = callback;
  }

  get isMovable(): boolean {
    return this.lease.isMovable;
  }

  get fd(): number {
    return this.lease.fd;
  }

  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    this.lease.send(bytes, start, end, sink, token, count);
  }

  begin(sink: ReplySink, token: number): ByteQueue {
    return this.lease.begin(sink, token);
  }

  commit(): void {
    this.lease.commit();
  }

  waitForRoom(waiter: Wakeable): void {
    this.lease.waitForRoom(waiter);
  }

  whenReady(callback: (failure: Failure | null) => void): void {
    this.lease.whenReady(callback);
  }

  release(isClean: boolean): void {
    this.lease.release(isClean);
  }

  quiesce(): void {
    this.lease.quiesce();
  }

  leave(): void {
    this.lease.leave();
  }

  expect(sink: ReplySink, token: number): void {
    this.lease.expect(sink, token);
  }
}
