/** A server of another pool, as one of the pool whose tree leads there: all that is sent to it goes over that pool's connections. */
import type {
  ConnectionKind,
  Lease,
  Link,
  SubscriberConnection,
  SubscriberEvents,
  Upstream,
} from "../../api/upstream.ts";
import { NO_KIND } from "../../api/upstream.ts";
import { closeFd } from "../../os/fd.ts";
import type { LeafKinds, TreeUpstream } from "./branch.ts";
import { NO_LEASE, NO_LINK, NO_SUBSCRIBER } from "./no-connection.ts";
import { RoutedLease } from "./routed-lease.ts";

export interface RoutedUpstreamOptions {
  readonly id: number;
  /** See Upstream.member. */
  readonly member: string;
  /** Of the server's own pool. */
  readonly pool: string;
  readonly kinds: LeafKinds;
}

export class RoutedUpstream implements TreeUpstream {
  readonly id: number;
  readonly member: string;
  readonly name: string;
  readonly server: Upstream;
  private readonly kinds: LeafKinds;

  constructor(server: Upstream, { id, member, pool, kinds }: RoutedUpstreamOptions) {
    this.id = id;
    this.member = member;
    this.name = `${pool}/${server.name}`;
    this.server = server;
    this.kinds = kinds;
  }

  get weight(): number {
    return this.server.weight;
  }

  get address(): string {
    return this.server.address;
  }

  get isReplica(): boolean {
    return this.server.isReplica;
  }

  get isEjected(): boolean {
    return this.server.isEjected;
  }

  get incarnation(): number {
    return this.server.incarnation;
  }

  connection(lane: number, kind: ConnectionKind): Link {
    const own = this.kinds.of(kind);
    return own === NO_KIND ? NO_LINK : this.server.connection(lane, own);
  }

  lease(kind: ConnectionKind, origin: string): Lease | null {
    const own = this.kinds.of(kind);
    const lease = own === NO_KIND ? null : this.server.lease(own, origin);
    return lease === null ? null : new RoutedLease(lease, this, kind);
  }

  whyNoLease(origin: string): string {
    return this.server.whyNoLease(origin);
  }

  adopt(fd: number, kind: ConnectionKind, origin: string): Lease {
    const own = this.kinds.of(kind);
    if (own !== NO_KIND) return new RoutedLease(this.server.adopt(fd, own, origin), this, kind);
    closeFd(fd);
    return new RoutedLease(NO_LEASE, this, kind);
  }

  subscriber(kind: ConnectionKind, events: SubscriberEvents): SubscriberConnection {
    const own = this.kinds.of(kind);
    return own === NO_KIND ? NO_SUBSCRIBER : this.server.subscriber(own, events);
  }
}
