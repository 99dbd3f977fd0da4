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

/** Says where keys go, in place of the pool's own ring. Numbers are those of `upstreams`. */
export interface Placement {
  readonly hasher: KeyHasher;
  readonly ring: Ring;
}

/** A server and its share of the keys. */
export type WeightedUpstream = Upstream & { readonly weight: number };

const NONE: readonly Upstream[] = [];
const NO_SPARES: readonly WeightedUpstream[] = [];

export class PoolRoute implements Route {
  upstreams: readonly WeightedUpstream[] = [];
  all: readonly Upstream[] = [];
  epoch = 0;
  readonly isStable: boolean;
  readonly sharesConnections = false;

  private readonly options: PoolRouteOptions;
  private hasher: KeyHasher;
  private ring: Ring;
  private placement: Placement | null = null;
  /** All keys are on this server, whatever their hash; null: they are not. */
  only: WeightedUpstream | null = null;
  /** See Topology.slots; null: there are none. */
  private slots: Int16Array | null = null;
  /** They stand in for those that are ejected. */
  private spares: readonly WeightedUpstream[] = NO_SPARES;
  /** Of `spares`, those that are not down; null: ejected servers leave the ring. */
  private spareRing: Ring | null = null;
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
   * @param spares keys of a server that is ejected go to one of these, and other keys stay where they are; none: all keys are spread anew
   */
  spreadOver(
    upstreams: readonly WeightedUpstream[],
    slots: Int16Array | null = null,
    replicas: readonly (readonly Upstream[])[] = [],
    spares: readonly WeightedUpstream[] = NO_SPARES,
  ): void {
    this.upstreams = upstreams;
    this.spares = spares;
    this.all = spares.length === 0 ? upstreams : [...upstreams, ...spares];
    this.slots = slots;
    this.replicas = new Map(upstreams.map((upstream, i) => [upstream.id, replicas[i] ?? NONE]));
    this.rebuild();
  }

  /** Keys go where `placement` says, until this is called again; null: where the pool's ring does. */
  placeBy(placement: Placement | null): void {
    this.placement = placement;
    this.hasher = placement?.hasher ?? this.options.hasher;
    this.rebuild();
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
    this.spareRing = this.createSpareRing();
    const live = this.upstreams.filter(({ isEjected }) => !isEjected);
    const isPlain = this.slots === null && this.placement === null;
    const isOnly = isPlain && this.spareRing === null && live.length === 1;
    this.only = isOnly ? live[0]! : null;
    this.epoch++;
  }

  pick({ bytes, keyStart, keyEnd }: RequestFacts): Upstream | null {
    if (this.only !== null) return this.only;
    const hash = this.hasher.hash(bytes, keyStart, keyEnd);
    const index = this.ring.pick(hash);
    if (index < 0) return null;
    const upstream = this.upstreams[index]!;
    return this.spareRing !== null && upstream.isEjected
      ? this.standInFor(upstream, hash)
      : upstream;
  }

  /** `upstream` itself, which says why it does not serve, when all that could stand in are down, too. */
  private standInFor(upstream: Upstream, hash: number): Upstream {
    const index = this.spareRing!.pick(hash);
    return index < 0 ? upstream : this.spares[index]!;
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
    if (this.placement !== null) return this.placement.ring;
    const { distribution, random } = this.options;
    // With spares all places in the ring stay.
    const isLive = (index: number): boolean =>
      this.spares.length > 0 || !upstreams[index]!.isEjected;
    return createRing(distribution, upstreams, isLive, random);
  }

  private createSpareRing(): Ring | null {
    const { spares } = this;
    const { distribution, random } = this.options;
    if (spares.length === 0) return null;
    return createRing(distribution, spares, (index) => spares[index]!.isDown !== true, random);
  }
}
