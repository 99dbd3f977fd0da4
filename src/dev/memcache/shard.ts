/** One embedded memcached: its items, and what it counts. */
import { Store } from "./store.ts";

export interface Shard {
  readonly store: Store;
  readonly startedAt: number;
  /** Clients connected now, and ever. */
  connections: number;
  totalConnections: number;
  /** Hits and misses by the name that `stats` shows; missing ones are 0. */
  readonly counts: Map<string, number>;
}

/** An empty shard. `clock` answers milliseconds since the epoch. */
export function createShard(bytesMax: number, clock: () => number): Shard {
  const store = new Store(bytesMax, clock);
  return {
    store,
    startedAt: store.now(),
    connections: 0,
    totalConnections: 0,
    counts: new Map(),
  };
}

export function count(shard: Shard, name: string): void {
  shard.counts.set(name, (shard.counts.get(name) ?? 0) + 1);
}

/** Counts a hit or a miss: `get_hits`, `delete_misses`. */
export function countLookup(shard: Shard, verb: string, isHit: boolean): void {
  count(shard, `${verb}_${isHit ? "hits" : "misses"}`);
}
