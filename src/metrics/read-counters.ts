/** What the workers have counted, summed up over all of them: every counter there is, by its name. */
import type { Config, PoolConfig } from "../api/config.ts";
import { kindOf, type MetricRow } from "../api/metrics.ts";
import {
  type HistogramFigures,
  healthOf,
  POOL,
  POOL_COUNTERS,
  POOL_METRICS,
  type PoolCounter,
  type PoolFigures,
  type PoolPlace,
  SERVER,
  SERVER_COUNTERS,
  SERVER_METRICS,
  type ServerCounter,
  type ServerTrouble,
  type SetFigures,
  type StatsLayout,
  TROUBLE_KINDS,
} from "../api/stats.ts";
import { type Block, directoryBlocks, keyOf } from "./directory.ts";
import { histogramFigures } from "./histogram.ts";
import { valuesInUse } from "./layout.ts";

/** The shared memory. */
export interface CountedMemory {
  readonly layout: StatsLayout;
  /** Borrowed; of `statsByteLength(layout)` bytes. */
  readonly memory: Float64Array;
}

type ServerPlace = PoolPlace["servers"][number];

/** The figures of the pools and servers of `config`, in its order. */
export function readCounters(config: Config, counted: CountedMemory): PoolFigures[] {
  const places = new Map(counted.layout.pools.map((pool) => [pool.name, pool]));
  return config.pools.flatMap((pool) => {
    const place = places.get(pool.name);
    if (place === undefined) return [];
    return {
      name: pool.name,
      counters: named(POOL_COUNTERS, (name) => poolValue(counted, place.base, name)),
      servers: serverPlaces(pool, place, counted).map(({ name, base }) => {
        const value = (counter: ServerCounter): number => serverValue(counted, base, counter);
        return { name, counters: named(SERVER_COUNTERS, value), trouble: troubleOf(value) };
      }),
    };
  });
}

/**
 * Where the servers of `pool` count: those that the configuration lists, in its order, and those that have come since and are there
 * now.
 */
export function serverPlaces(
  pool: PoolConfig,
  place: PoolPlace,
  counted: CountedMemory,
): ServerPlace[] {
  const bases = new Map(place.servers.map(({ name, base }) => [name, base]));
  const listed = pool.servers.flatMap(({ name }) => {
    const base = bases.get(name);
    return base === undefined ? [] : [{ name, base }];
  });
  const names = new Set(listed.map(({ name }) => name));
  const others = serversOf(counted.layout, pool.name)
    .filter(({ name, base }) => !names.has(name) && serverValue(counted, base, "in_pool") > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return [...listed, ...others];
}

/** All servers that the pool of this name ever had. */
export function serversOf(layout: StatsLayout, pool: string): ServerPlace[] {
  const listed = layout.pools.find(({ name }) => name === pool)?.servers ?? [];
  const came = directoryBlocks(layout)
    .filter(({ schema, labels }) => schema.set === SERVER_METRICS.name && labels["pool"] === pool)
    .map(({ labels, base }) => ({ name: labels["server"] ?? "", base }));
  return [...listed, ...came];
}

/** The value of one counter of the server that has its place at `base`. */
export function serverValue(counted: CountedMemory, base: number, counter: ServerCounter): number {
  const offset = SERVER[counter];
  return valueAt(counted, SERVER_METRICS.schema.rows[offset]!, [base + offset]);
}

/** Likewise of a pool. */
export function poolValue(counted: CountedMemory, base: number, counter: PoolCounter): number {
  const offset = POOL[counter];
  return valueAt(counted, POOL_METRICS.schema.rows[offset]!, [base + offset]);
}

/** What is counted besides, in sets that need not be known here: all that the directory has. */
export function readSets(counted: CountedMemory): SetFigures[] {
  const sums = sumOfSlots(counted);
  const groups = new Map<string, Block[]>();
  for (const block of directoryBlocks(counted.layout)) {
    // They are among the figures of their pool.
    if (block.schema.set === SERVER_METRICS.name) continue;
    const [set = ""] = block.schema.set.split(".");
    const key = keyOf(set, block.labels);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [block]);
    else group.push(block);
  }
  return [...groups.values()].map((blocks) => ({
    set: blocks[0]!.schema.set.split(".")[0]!,
    labels: blocks[0]!.labels,
    values: valuesOf(counted, sums, blocks),
    help: helpOf(blocks),
  }));
}

/** By row, those of the newest block last. */
function helpOf(blocks: readonly Block[]): Readonly<Record<string, string>> {
  const rows = blocks.flatMap(({ schema }) => schema.rows);
  return Object.fromEntries(
    rows.filter(({ kind }) => kind !== "histogram").map(({ name, help }) => [name, help]),
  );
}

/** Blocks of one set with the same labels: each row is added up over those that have it. */
function valuesOf(
  counted: CountedMemory,
  sums: Float64Array,
  blocks: readonly Block[],
): SetFigures["values"] {
  const places = new Map<string, { readonly row: MetricRow; readonly indexes: number[] }>();
  for (const { schema, base } of blocks) {
    for (const [offset, row] of schema.rows.entries()) {
      const place = places.get(row.name);
      // Of a row that has another meaning than before, what it counted before is nothing.
      if (place?.row.kind === row.kind) {
        place.indexes.push(base + offset);
      } else places.set(row.name, { row, indexes: [base + offset] });
    }
  }
  const pairs = [...places].map(([name, { row, indexes }]): [string, number | HistogramFigures] => [
    name,
    row.kind === "histogram"
      ? histogramFigures(valuesAt(sums, indexes))
      : valueAt(counted, row, indexes),
  ]);
  return Object.fromEntries(pairs);
}

/** The sum of what stands at an offset behind each of `indexes`. */
function valuesAt(sums: Float64Array, indexes: readonly number[]): (offset: number) => number {
  const [first = 0, ...others] = indexes;
  // Nearly always there is one, and a histogram has nine hundred offsets.
  if (others.length === 0) return (offset) => sums[first + offset]!;
  return (offset) => indexes.reduce((sum, at) => sum + sums[at + offset]!, 0);
}

/** Each value, added up over all slots. */
function sumOfSlots({ layout, memory }: CountedMemory): Float64Array {
  const { stride, slots } = layout;
  const used = valuesInUse(layout);
  const sums = new Float64Array(used);
  for (let slot = 0; slot < slots; slot++) {
    const first = slot * stride;
    for (let at = 0; at < used; at++) sums[at]! += memory[first + at]!;
  }
  return sums;
}

/** One value, from those that all slots have at `indexes` of their regions. */
function valueAt(
  { layout, memory }: CountedMemory,
  row: MetricRow,
  indexes: readonly number[],
): number {
  let sum = 0;
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const index of indexes) {
    for (let slot = 0; slot < layout.slots; slot++) {
      const value = memory[slot * layout.stride + index]!;
      sum += value;
      most = Math.max(most, value);
      if (value > 0) least = Math.min(least, value);
    }
  }
  const over = kindOf(row)?.over;
  if (over === "max") return most;
  if (over === "min") return least === Number.POSITIVE_INFINITY ? 0 : least;
  // A gauge is not shown below zero: a worker's writes may be seen half done.
  return row.kind === "gauge" ? Math.max(0, sum) : sum;
}

function troubleOf(value: (counter: ServerCounter) => number): ServerTrouble | null {
  const workers = value("in_trouble");
  const since = value("trouble_since");
  // A worker writes one after the other.
  if (workers === 0 || since === 0) return null;
  const kind = TROUBLE_KINDS[value("trouble_kind") - 1] ?? null;
  const state = healthOf(value("health"));
  return { sinceMs: since / 1000, workers, ejectedBy: value("ejected"), kind, state };
}

function named<Name extends string>(
  names: readonly Name[],
  value: (name: Name) => number,
): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, number>;
}
