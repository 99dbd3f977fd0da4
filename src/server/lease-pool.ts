/** The connections that one server lends to sessions: the free ones are kept a while for the next. */
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { ConnectionKind, Failure, Lease, Upstream } from "../api/upstream.ts";
import type { Deadline } from "../base/deadlines.ts";
import { FairShares } from "../base/fair-shares.ts";
import { LEASE_IDLE_MS, LEASES_FREE_MAX, LEASES_MAX } from "../base/limits.ts";
import { LeasedConnection, type LeaseOwner } from "./leased-connection.ts";

/** What all servers together may lend. */
export interface LeaseLimit {
  /** Connections that are lent, or free: kept up to date here. */
  lent: number;
  /** So many more may be made. */
  readonly free: number;
  /** Who has how many of all. */
  readonly shares: FairShares;
  /** The limit of open files, which it follows from. */
  readonly openFiles: number;
}

export class LeasePool {
  private readonly upstream: Upstream;
  private readonly variants: readonly UpstreamProtocol[];
  private readonly owner: LeaseOwner;
  private readonly limit: LeaseLimit;
  /** Who has how many of this server's. */
  private readonly shares: FairShares = new FairShares();
  /** Lent and free ones. */
  private readonly all: Set<LeasedConnection> = new Set();
  /** Longest free first. */
  private readonly free: LeasedConnection[] = [];
  /** When to look whether one has been free for too long. Set while there are any. */
  private readonly idling: Deadline;

  /** @param variants may grow */
  constructor(
    upstream: Upstream,
    owner: LeaseOwner,
    variants: readonly UpstreamProtocol[],
    limit: LeaseLimit,
  ) {
    this.limit = limit;
    this.upstream = upstream;
    this.owner = owner;
    this.variants = variants;
    this.idling = owner.deadlines.create((nowMs) => this.closeIdle(nowMs));
  }

  /** See `Upstream.lease`. */
  lease(variant: ConnectionKind, origin: string): Lease | null {
    if (!this.hasPlace(origin) || !this.hasDescriptor(origin)) return null;
    for (let i = this.free.length - 1; i >= 0; i--) {
      const connection = this.free[i]!;
      if (connection.protocol !== this.variants[variant]) continue;
      this.free.splice(i, 1);
      return this.lend(connection, origin);
    }
    if (this.isFull) this.free[0]?.discard();
    return this.isFull ? null : this.lend(this.add(variant), origin);
  }

  /** See `Upstream.whyNoLease`. */
  whyNoLease(origin: string): string {
    const { limit, upstream } = this;
    const why = `(transactions, blocking commands) of clients at ${origin}`;
    if (!this.hasPlace(origin)) {
      const held = this.shares.heldBy(origin);
      return `${held} of the ${LEASES_MAX} connections that server ${upstream.name} may lend in this worker are in use ${why}, and the rest is kept for clients elsewhere; end some of them, or run more workers`;
    }
    const held = limit.shares.heldBy(origin);
    return `${held} connections to servers are in use ${why}, and the worker's limit of open files, ${limit.openFiles}, leaves no more; raise it, or end some of them`;
  }

  /** To be called when what is awaited may be late earlier. */
  watch(): void {
    for (const connection of this.all) connection.watch();
  }

  private hasPlace(origin: string): boolean {
    return this.shares.mayTake(origin, LEASES_MAX - this.all.size + this.free.length);
  }

  private hasDescriptor(origin: string): boolean {
    return this.limit.shares.mayTake(origin, this.limit.free + this.free.length);
  }

  private get isFull(): boolean {
    return this.all.size >= LEASES_MAX || this.limit.free <= 0;
  }

  private lend(connection: LeasedConnection, origin: string): LeasedConnection {
    connection.origin = origin;
    this.shares.take(origin);
    this.limit.shares.take(origin);
    return connection;
  }

  /** See `Upstream.adopt`. What a client has already it keeps, whatever its share is here. */
  adopt(fd: number, variant: ConnectionKind, origin: string): Lease {
    const connection = this.lend(this.add(variant), origin);
    connection.adopt(fd);
    return connection;
  }

  private add(variant: ConnectionKind): LeasedConnection {
    const { owner, upstream, variants } = this;
    const connection = new LeasedConnection(owner, variants[variant]!, upstream, variant);
    this.all.add(connection);
    this.limit.lent++;
    return connection;
  }

  /** A connection was given back (it is free) or is gone. */
  onReturned(connection: LeasedConnection, isFree: boolean): void {
    const { origin } = connection;
    if (origin !== null) {
      connection.origin = null;
      this.shares.giveBack(origin);
      this.limit.shares.giveBack(origin);
    }
    // Its variant's number may stand for something else by now.
    const isCurrent = this.variants[connection.variant] === connection.protocol;
    if (isFree && isCurrent && this.free.length < LEASES_FREE_MAX) {
      this.free.push(connection);
      this.idling.setNoLater(connection.returnedMs + LEASE_IDLE_MS);
      return;
    }
    if (isFree) {
      // Comes back here.
      connection.discard();
      return;
    }
    this.all.delete(connection);
    this.limit.lent--;
    const at = this.free.indexOf(connection);
    if (at >= 0) this.free.splice(at, 1);
  }

  private closeIdle(nowMs: number): void {
    while (this.free.length > 0 && this.free[0]!.returnedMs + LEASE_IDLE_MS <= nowMs) {
      this.free[0]!.discard();
    }
    if (this.free.length > 0) this.idling.set(this.free[0]!.returnedMs + LEASE_IDLE_MS);
  }

  /** Takes every connection from the session that has it. */
  takeDown(sent: Failure, unsent: Failure): void {
    for (const connection of [...this.all]) connection.takeDown(sent, unsent);
  }

  get pendingCount(): number {
    let pending = 0;
    for (const connection of this.all) pending += connection.pendingCount;
    return pending;
  }
}
