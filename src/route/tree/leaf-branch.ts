/** A leaf: the ring, or the slots, of another pool decide. */
import type { RequestFacts } from "../../api/request-facts.ts";
import { SLOTS } from "../../api/topology.ts";
import type { Upstream } from "../../api/upstream.ts";
import type { Branch, LeafPool, TreeUpstream } from "./branch.ts";
import { RoutedUpstream } from "./routed-upstream.ts";

/** Numbers of slots for each leaf: those of a cluster, or one for each server of a ring, which has no more than 16 bits for them. */
const SLOTS_PER_LEAF = SLOTS + 65_536;

export interface LeafBranchOptions {
  readonly leaf: LeafPool;
  /** Among the leaves of the tree, from 0. */
  readonly number: number;
  /** Among the leaves with this pool, from 0. */
  readonly place: number;
  /** For servers: each number once in the tree. */
  readonly nextId: () => number;
}

export class LeafBranch implements Branch {
  private readonly options: LeafBranchOptions;
  private readonly leaf: LeafPool;
  /** By id of the server in its pool. */
  private byId: (RoutedUpstream | undefined)[] = [];
  private servers: readonly RoutedUpstream[] = [];

  constructor(options: LeafBranchOptions) {
    this.options = options;
    this.leaf = options.leaf;
    this.refresh();
  }

  get isSlotted(): boolean {
    return this.leaf.route.isSlotted;
  }

  get isStable(): boolean {
    return this.leaf.route.isStable;
  }

  pick(request: RequestFacts): TreeUpstream | null {
    const server = this.leaf.route.pick(request);
    return server === null ? null : (this.byId[server.id] ?? null);
  }

  slotOf(request: RequestFacts): number {
    const { route } = this.leaf;
    const first = this.options.number * SLOTS_PER_LEAF;
    if (route.isSlotted) return first + route.slotOf(request);
    const server = route.pick(request);
    return first + SLOTS + (server === null ? 0 : route.upstreams.indexOf(server));
  }

  upstreams(): readonly TreeUpstream[] {
    return this.servers;
  }

  leaves(): readonly string[] {
    return [this.leaf.name];
  }

  all(): readonly TreeUpstream[] {
    return this.servers;
  }

  /** Who has the tree tells the pool. */
  forget(): void {}

  refresh(): void {
    const known = this.byId;
    this.byId = [];
    this.servers = this.leaf.route.upstreams.map((server) => {
      const upstream = known[server.id] ?? this.wrap(server);
      this.byId[server.id] = upstream;
      return upstream;
    });
  }

  private wrap(server: Upstream): RoutedUpstream {
    const { leaf, place, nextId } = this.options;
    const suffix = place === 0 ? "" : ` at place ${place}`;
    const member = `${leaf.name} ${server.member}${suffix}`;
    return new RoutedUpstream(server, { id: nextId(), member, pool: leaf.name, kinds: leaf.kinds });
  }
}
