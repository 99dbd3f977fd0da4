/**
 * Which worker serves which pools: a pool with `workers` has workers of its own, and all others share those of the top level's `workers`.
 *
 *   index  0 … shared-1         the shared ones; there are none where each pool has workers of its own
 *          shared …             those of the first such pool, of the second …
 */
import type { Config } from "../api/config.ts";
import { poolsOf } from "../api/route-node.ts";
import type { WorkerSet } from "../api/worker-set.ts";

/** @param shared how many share the pools that have no workers of their own */
export function workerSets({ pools }: Pick<Config, "pools">, shared: number): WorkerSet[] {
  const others = pools.filter(({ workers }) => workers == null).map(({ name }) => name);
  const sets: WorkerSet[] = [];
  let first = 0;
  const add = (set: Pick<WorkerSet, "pool" | "pools" | "size">): void => {
    sets.push({ ...set, first });
    first += set.size;
  };
  if (others.length > 0 || pools.length === 0) add({ pool: null, pools: others, size: shared });
  for (const { name, workers } of pools) {
    if (workers != null) add({ pool: name, pools: [name], size: workers.own });
  }
  return sets;
}

/** One set of all pools, as programs have it that know no others. */
export function oneSet({ pools }: Pick<Config, "pools">, size: number): WorkerSet[] {
  return [{ pool: null, pools: pools.map(({ name }) => name), first: 0, size }];
}

export function areSameSets(some: readonly WorkerSet[], others: readonly WorkerSet[]): boolean {
  const textOf = ({ pool, pools, first, size }: WorkerSet): string =>
    JSON.stringify([pool, pools, first, size]);
  return some.map(textOf).join() === others.map(textOf).join();
}

export function workersIn(sets: readonly WorkerSet[]): number {
  return sets.reduce((sum, { size }) => sum + size, 0);
}

/** The set of the worker of that index. */
export function setOf(sets: readonly WorkerSet[], index: number): WorkerSet {
  const found = sets.find(({ first, size }) => index >= first && index < first + size);
  if (found === undefined) throw new Error(`worker ${index} belongs to no set`);
  return found;
}

/** The pools that a worker of the set needs: those that it serves, and those that their routes lead to. */
export function poolsFor({ pools }: Pick<Config, "pools">, set: WorkerSet): Config["pools"] {
  const served = pools.filter(({ name }) => set.pools.includes(name));
  const routed = served.flatMap(({ route }) => (route == null ? [] : poolsOf(route)));
  const needed = new Set([...set.pools, ...routed]);
  return pools.filter(({ name }) => needed.has(name));
}
