/** A server of a branch, whose shared connections are reached through links that do something on the way. */
import type {
  ConnectionKind,
  Lease,
  Link,
  SubscriberConnection,
  SubscriberEvents,
  Upstream,
} from "../../api/upstream.ts";
import type { TreeUpstream } from "./branch.ts";
import { RoutedLease } from "./routed-lease.ts";

/** Makes what stands before `link`, a shared connection of kind `kind`. */
export type DecorateBranchLink = (link: Link, lane: number, kind: ConnectionKind) => Link;

export interface DecoratedUpstreamOptions {
  readonly id: number;
  /** Goes behind that of the server: see Upstream.member. */
  readonly suffix: string;
  readonly decorate: DecorateBranchLink;
  /** Not null: no connection is lent to a client alone, and why. */
  readonly leaseRefusal: string | null;
}

export class DecoratedUpstream implements TreeUpstream {
  readonly id: number;
  readonly member: string;
  private readonly inner: TreeUpstream;
  private readonly decorate: DecorateBranchLink;
  private readonly leaseRefusal: string | null;
  /** By kind: what stands before each connection. */
  private readonly links: (Map<Link, Link> | undefined)[] = [];

  constructor(
    inner: TreeUpstream,
    { id, suffix, decorate, leaseRefusal }: DecoratedUpstreamOptions,
  ) {
    this.leaseRefusal = leaseRefusal;
    this.inner = inner;
    this.id = id;
    this.member = `${inner.member} ${suffix}`;
    this.decorate = decorate;
  }

  get server(): Upstream {
    return this.inner.server;
  }

  get name(): string {
    return this.inner.name;
  }

  get weight(): number {
    return this.inner.weight;
  }

  get address(): string {
    return this.inner.address;
  }

  get isReplica(): boolean {
    return this.inner.isReplica;
  }

  get isEjected(): boolean {
    return this.inner.isEjected;
  }

  get incarnation(): number {
    return this.inner.incarnation;
  }

  connection(lane: number, kind: ConnectionKind): Link {
    const link = this.inner.connection(lane, kind);
    return this.links[kind]?.get(link) ?? this.add(link, lane, kind);
  }

  private add(link: Link, lane: number, kind: ConnectionKind): Link {
    const decorated = this.decorate(link, lane, kind);
    const links = this.links[kind] ?? new Map<Link, Link>();
    this.links[kind] = links;
    links.set(link, decorated);
    return decorated;
  }

  /** The number will stand for something else. */
  forget(kind: ConnectionKind): void {
    this.links[kind] = undefined;
  }

  lease(kind: ConnectionKind, origin: string): Lease | null {
    if (this.leaseRefusal !== null) return null;
    const lease = this.inner.lease(kind, origin);
    return lease === null ? null : new RoutedLease(lease, this, kind);
  }

  whyNoLease(origin: string): string {
    return this.leaseRefusal ?? this.inner.whyNoLease(origin);
  }

  adopt(fd: number, kind: ConnectionKind, origin: string): Lease {
    return new RoutedLease(this.inner.adopt(fd, kind, origin), this, kind);
  }

  subscriber(kind: ConnectionKind, events: SubscriberEvents): SubscriberConnection {
    return this.inner.subscriber(kind, events);
  }
}
