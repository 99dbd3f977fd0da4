/** Where each key of a pool is and where it shall be, by the two rings of a migration. */
import type { PoolConfig, ServerConfig } from "../api/config.ts";
import type { RingPlan } from "../api/migration.ts";
import { formatAddress } from "../config/address.ts";
import { createHash } from "../hash/hash-function.ts";
import { KeyHasher } from "../hash/key-hasher.ts";
import { createRing } from "../hash/ring.ts";
import type { Ring } from "../hash/types.ts";

export function planOf(pool: PoolConfig): RingPlan {
  const { hash, hashSignedChar, hashTag, distribution, servers } = pool;
  return { hash, hashSignedChar, hashTag, distribution, servers };
}

/** Whether both put each key on the same server, at the same address. */
export function isSamePlan(one: RingPlan, other: RingPlan): boolean {
  return JSON.stringify(placementOf(one)) === JSON.stringify(placementOf(other));
}

/** What counts, in one order. Of replicas no key's place depends. */
function placementOf(plan: RingPlan): unknown {
  return [
    plan.hash,
    plan.hashSignedChar,
    plan.hashTag,
    plan.distribution,
    plan.servers.map(({ name, address, weight }) => [name, formatAddress(address), weight]),
  ];
}

/** One ring, over its own servers. `initHashes` must have been awaited. */
export class PlannedRing {
  readonly hasher: KeyHasher;
  readonly ring: Ring;
  readonly servers: readonly ServerConfig[];
  readonly addresses: readonly string[];

  constructor({ hash, hashSignedChar, hashTag, distribution, servers }: RingPlan) {
    this.hasher = new KeyHasher(createHash(hash, hashSignedChar), hashTag);
    this.ring = createRing(
      distribution,
      servers,
      () => true,
      () => 0,
    );
    this.servers = servers;
    this.addresses = servers.map(({ address }) => formatAddress(address));
  }

  /** The number of the server of the key bytes[start, end). */
  pick(bytes: Buffer, start: number, end: number): number {
    return this.ring.pick(this.hasher.hash(bytes, start, end));
  }
}

export class KeyPlaces {
  readonly from: PlannedRing;
  readonly to: PlannedRing;

  constructor(from: RingPlan, to: RingPlan) {
    this.from = new PlannedRing(from);
    this.to = new PlannedRing(to);
  }

  /** The number, in `from`, of the server that the key bytes[start, end) leaves; -1: it stays where it is. */
  leaves(bytes: Buffer, start: number, end: number): number {
    const { from, to } = this;
    const source = from.pick(bytes, start, end);
    const target = to.pick(bytes, start, end);
    return from.addresses[source] === to.addresses[target] ? -1 : source;
  }

  /** Addresses of `from` that keys may leave: all, unless both rings are one. */
  get sources(): readonly string[] {
    return [...new Set(this.from.addresses)];
  }

  /** Addresses of both rings, each once. */
  get all(): readonly string[] {
    return [...new Set([...this.from.addresses, ...this.to.addresses])];
  }
}
