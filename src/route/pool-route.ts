/** Spreads the keys of one pool over its servers by its ring. */
import type { Distribution } from "../api/config.ts";
import type { Route, Upstream } from "../api/upstream.ts";
import type { KeyHasher } from "../hash/key-hasher.ts";
import { createRing, type Ring, type RingServer } from "../hash/ring.ts";

export interface PoolRouteOptions {
  readonly distribution: Distribution;
  readonly hasher: KeyHasher;
  /** In ring order, one for each upstream. */
  readonly servers: readonly RingServer[];
  readonly random: () => number;
}

export class PoolRoute implements Route {
  upstreams: readonly Upstream[] = [];
  readonly isStable: boolean;

  private readonly options: PoolRouteOptions;
  private readonly hasher: KeyHasher;
  private ring: Ring;

  constructor(options: PoolRouteOptions) {
    this.options = options;
    this.isStable = options.distribution !== "random";
    this.hasher = options.hasher;
    this.ring = createRing(options.distribution, options.servers, () => true, options.random);
  }

  /** The servers behind the ring, in its order. To be called once, before the first pick. */
  attach(upstreams: readonly Upstream[]): void {
    this.upstreams = upstreams;
  }

  /** A server was ejected or came back: makes the ring anew from those that are left. */
  rebuild(): void {
    const { distribution, servers, random } = this.options;
    const isLive = (index: number): boolean => !this.upstreams[index]!.isEjected;
    this.ring = createRing(distribution, servers, isLive, random);
  }

  pick(bytes: Buffer, start: number, end: number): Upstream | null {
    const index = this.ring.pick(this.hasher.hash(bytes, start, end));
    return index < 0 ? null : this.upstreams[index]!;
  }
}
