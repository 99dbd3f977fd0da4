/** Spreads the keys of one pool over its servers by its ring. */
import type { Distribution } from "../api/config.ts";
import type { RequestFacts } from "../api/request-facts.ts";
import { SLOTS } from "../api/topology.ts";
import type { Route, Upstream } from "../api/upstream.ts";
import type { KeyHasher } from "../hash/key-hasher.ts";
import { createRing } from "../hash/ring.ts";
import { createSlotRing } from "../hash/slots.ts";
import type { Ring } from "../hash/types.ts";

export interface PoolRouteOptions {
  readonly distribution: Distribution;
  readonly hasher: KeyHasher;
  readonly random: () => number;
}

/** A server and its share of the keys. */
export type WeightedUpstream = Upstream & { readonly weight: number };

const NONE: readonly Upstream[] = [];

export class PoolRoute implements Route {
  upstreams: readonly WeightedUpstream[] = [];
  epoch = 0;
  readonly isStable: boolean;
  readonly sharesConnections = false;

  private readonly options: PoolRouteOptions;
  private readonly hasher: KeyHasher;
  private ring: Ring;
  /** All keys are on this server, whatever their hash; null: they are not. */
  private only: WeightedUpstream | null = null;
  /** See Topology.slots; null: there are none. */
  private slots: Int16Array | null = null;
  /** By id of a server. */
  private replicas: ReadonlyMap<number, readonly Upstream[]> = new Map();

  constructor(options: PoolRouteOptions) {
    this.options = options;
    this.isStable = options.distribution !== "random";
    this.hasher = options.hasher;
    this.ring = this.createRing();
  }

  /**
   * From now on keys go to these servers, in ring order, or as their slots say.
   * @param replicas by number of a server
   */
  spreadOver(
    upstreams: readonly WeightedUpstream[],
    slots: Int16Array | null = null,
    replicas: readonly (readonly Upstream[])[] = [],
  ): void {
    this.upstreams = upstreams;
    this.slots = slots;
    this.replicas = new Map(upstreams.map((upstream, i) => [upstream.id, replicas[i] ?? NONE]));
    this.rebuild();
  }

  get all(): readonly Upstream[] {
    return this.upstreams;
  }

  targets(): readonly Upstream[] {
    return this.upstreams;
  }

  replicasOf({ id }: Upstream): readonly Upstream[] {
    return this.replicas.get(id) ?? NONE;
  }

  /** A server was ejected or came back: makes the ring anew from those that are left. */
  rebuild(): void {
    this.ring = this.createRing();
    const live = this.upstreams.filter(({ isEjected }) => !isEjected);
    this.only = this.slots === null && live.length === 1 ? live[0]! : null;
    this.epoch++;
  }

  pick({ bytes, keyStart, keyEnd }: RequestFacts): Upstream | null {
    if (this.only !== null) return this.only;
    const index = this.ring.pick(this.hasher.hash(bytes, keyStart, keyEnd));
    return index < 0 ? null : this.upstreams[index]!;
  }

  get isSlotted(): boolean {
    return this.slots !== null;
  }

  slotOf({ bytes, keyStart, keyEnd }: RequestFacts): number {
    return this.hasher.hash(bytes, keyStart, keyEnd) & (SLOTS - 1);
  }

  private createRing(): Ring {
    const { upstreams, slots } = this;
    if (slots !== null) return createSlotRing(slots);
    const { distribution, random } = this.options;
    const isLive = (index: number): boolean => !upstreams[index]!.isEjected;
    return createRing(distribution, upstreams, isLive, random);
  }
}
