/** A `route:` as the Route of its pool: its upstreams are the servers of the pools that its tree leads to. */
import { ACCESS, type Access, type RequestFacts } from "../../api/request-facts.ts";
import type { ConnectionKind, Route, Upstream } from "../../api/upstream.ts";
import type { Branch, TreeUpstream } from "./branch.ts";

const NONE: readonly Upstream[] = [];

export class TreeRoute implements Route {
  upstreams: readonly Upstream[] = [];
  all: readonly TreeUpstream[] = [];
  epoch = 0;
  isSlotted = false;
  sharesConnections = false;
  /** See Branch. */
  leaves: readonly string[] = [];
  readonly isStable: boolean;
  private readonly root: Branch;
  /** By access. */
  private reach: readonly (readonly Upstream[])[] = [];

  constructor(root: Branch) {
    this.root = root;
    this.isStable = root.isStable;
    this.onChange();
  }

  /** A server of some leaf was ejected or came back, or servers have come or gone. */
  refresh(): void {
    this.root.refresh();
    this.onChange();
  }

  /** The number of a kind of connections will stand for something else. */
  forget(kind: ConnectionKind): void {
    this.root.forget(kind);
  }

  private onChange(): void {
    const { root } = this;
    this.all = root.all();
    this.upstreams = firstOfEach(root.upstreams(ACCESS.admin));
    this.reach = Object.values(ACCESS)
      .sort((one, other) => one - other)
      .map((access) => firstOfEach(root.upstreams(access)));
    this.isSlotted = root.isSlotted;
    this.leaves = root.leaves();
    this.sharesConnections = hasTwice(this.leaves);
    this.epoch++;
  }

  targets(access: Access): readonly Upstream[] {
    return this.reach[access]!;
  }

  /** Of its root, see Branch. */
  branches(access: Access): readonly TreeUpstream[] {
    return this.root.upstreams(access);
  }

  replicasOf(): readonly Upstream[] {
    return NONE;
  }

  slotOf(request: RequestFacts): number {
    return this.root.slotOf(request);
  }

  pick(request: RequestFacts): TreeUpstream | null {
    return this.root.pick(request);
  }
}

/** Some pool is at several places. */
function hasTwice(leaves: readonly string[]): boolean {
  return new Set(leaves).size < leaves.length;
}

/** Each server once, at the first of its places. */
function firstOfEach(upstreams: readonly TreeUpstream[]): readonly Upstream[] {
  const first = new Map<Upstream, Upstream>();
  for (const upstream of upstreams) {
    if (!first.has(upstream.server)) first.set(upstream.server, upstream);
  }
  return [...first.values()];
}
