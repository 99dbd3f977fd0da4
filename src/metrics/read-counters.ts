/** What the workers have counted, summed up over all of them: every counter there is, by its name. */
import type { Config } from "../api/config.ts";
import {
  POOL,
  POOL_COUNTERS,
  type PoolFigures,
  SERVER,
  SERVER_COUNTERS,
  type ServerCounter,
  type ServerTrouble,
  type StatsLayout,
  TROUBLE_KINDS,
} from "../api/stats.ts";
import { POOL_GAUGES, SERVER_GAUGES } from "./layout.ts";

/** The shared memory. */
export interface CountedMemory {
  readonly layout: StatsLayout;
  /** Borrowed; of `statsByteLength(layout)` bytes. */
  readonly memory: Float64Array;
}

/** The figures of the pools and servers of `config`, in its order. */
export function readCounters(config: Config, counted: CountedMemory): PoolFigures[] {
  const places = new Map(counted.layout.pools.map((pool) => [pool.name, pool]));
  return config.pools.flatMap((pool) => {
    const place = places.get(pool.name);
    if (place === undefined) return [];
    const bases = new Map(place.servers.map(({ name, base }) => [name, base]));
    return {
      name: pool.name,
      counters: named(POOL_COUNTERS, (name) => poolValue(counted, place.base, POOL[name])),
      servers: pool.servers.flatMap(({ name }) => {
        const base = bases.get(name);
        if (base === undefined) return [];
        const value = (counter: (typeof SERVER_COUNTERS)[number]): number =>
          serverValue(counted, base, SERVER[counter]);
        return { name, counters: named(SERVER_COUNTERS, value), trouble: troubleOf(value) };
      }),
    };
  });
}

/** Sum over the slots. A gauge is not shown below zero: a worker's writes may be seen half done. */
export function total({ layout, memory }: CountedMemory, index: number, isGauge: boolean): number {
  let sum = 0;
  for (let slot = 0; slot < layout.slots; slot++) sum += memory[slot * layout.stride + index]!;
  return isGauge ? Math.max(0, sum) : sum;
}

/** The value of one counter of the server that has its place at `base`: a sum, or one of several points in time. */
export function serverValue(counted: CountedMemory, base: number, counter: number): number {
  if (counter === SERVER.server_ejected_at || counter === SERVER.trouble_kind) {
    return latest(counted, base + counter);
  }
  if (counter === SERVER.trouble_since) return earliest(counted, base + counter);
  return total(counted, base + counter, SERVER_GAUGES.includes(counter));
}

/** Likewise of a pool. */
export function poolValue(counted: CountedMemory, base: number, counter: number): number {
  return total(counted, base + counter, POOL_GAUGES.includes(counter));
}

function latest({ layout, memory }: CountedMemory, index: number): number {
  let value = 0;
  for (let slot = 0; slot < layout.slots; slot++) {
    value = Math.max(value, memory[slot * layout.stride + index]!);
  }
  return value;
}

/** 0: none is set. */
function earliest({ layout, memory }: CountedMemory, index: number): number {
  let value = Number.POSITIVE_INFINITY;
  for (let slot = 0; slot < layout.slots; slot++) {
    const one = memory[slot * layout.stride + index]!;
    if (one > 0) value = Math.min(value, one);
  }
  return value === Number.POSITIVE_INFINITY ? 0 : value;
}

function troubleOf(value: (counter: ServerCounter) => number): ServerTrouble | null {
  const workers = value("in_trouble");
  const since = value("trouble_since");
  // A worker writes one after the other.
  if (workers === 0 || since === 0) return null;
  const kind = TROUBLE_KINDS[value("trouble_kind") - 1] ?? null;
  return { sinceMs: since / 1000, workers, ejectedBy: value("ejected"), kind };
}

function named<Name extends string>(
  names: readonly Name[],
  value: (name: Name) => number,
): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, number>;
}
