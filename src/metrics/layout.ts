/**
 * Assigns every pool, server and block of the directory its place in the shared statistics memory.
 *
 *   memory   | slot 0          | slot 1          | …              slots × stride values
 *   region   | block | block | block | … | reserved room |        stride values
 *   block    | the counters of one pool or one server | spare |   BLOCK_VALUES values
 *            | the rows of a set, or a histogram | spare |        as many as the directory says
 *
 * A base once given is never moved or given to another name, so counters stay monotonic over reloads.
 * Names that left the config therefore stay in the layout: what is shown is the config's choice, not the layout's.
 */
import type { Config } from "../api/config.ts";
import { kindOf } from "../api/metrics.ts";
import { BLOCK_VALUES, DIRECTORY_NAME, type Directory, type StatsLayout } from "../api/stats.ts";
import { METRIC_BLOCKS_MAX } from "../base/limits.ts";
import {
  type Block,
  type BlockWish,
  blocksOf,
  directoryOf,
  findBlock,
  NO_BLOCKS,
  poolsOf,
  withBlocks,
} from "./directory.ts";

/** Values kept free at the end of each region for what a reload or a module adds. Untouched pages cost no memory. */
export const RESERVED_VALUES = 65_536;
/** A stride is a multiple of this: 4 KiB pages, so that no two workers write one page. */
export const STRIDE_STEP_VALUES = 512;

type PoolLayout = StatsLayout["pools"][number];
type ServerLayout = PoolLayout["servers"][number];

/**
 * Lays out the counters of `config` and what is wished besides, for at least `slots` worker slots.
 *
 * With `previous`, all its bases stay, new names are appended and `slots` never shrinks. As long as the stride is
 * unchanged, memory of the previous layout stays valid (enlarge it when `slots` grew). Once the reserved room is used up
 * the stride grows: the caller then makes new memory and fills it with `copyCounters`.
 */
export function createStatsLayout(
  config: Config,
  slots: number,
  previous?: StatsLayout,
  wishes: readonly BlockWish[] = [],
): StatsLayout {
  const room = new FreeRoom(previous);
  const pools: PoolLayout[] = [];
  const left = new Map(
    (previous === undefined ? [] : poolsOf(previous)).map((pool) => [pool.name, pool]),
  );
  // Known names first and in their old order: the layout is append-only as a list, too.
  const configured = new Map(config.pools.map((pool) => [pool.name, pool]));
  for (const known of left.values()) {
    const names = configured.get(known.name)?.servers.map((server) => server.name) ?? [];
    pools.push({ ...known, servers: extendServers(known.servers, names, room) });
  }
  for (const pool of configured.values()) {
    if (left.has(pool.name)) continue;
    const base = room.take(BLOCK_VALUES);
    const names = pool.servers.map((server) => server.name);
    pools.push({ name: pool.name, base, servers: extendServers([], names, room) });
  }
  let directory = previous === undefined ? NO_BLOCKS : directoryOf(previous);
  let blocksLeft = METRIC_BLOCKS_MAX - directory.blocks.length;
  directory = withBlocks(directory, wishes, (size) => (blocksLeft-- > 0 ? room.take(size) : null));
  return {
    stride: strideFor(room.used + BLOCK_VALUES, previous),
    slots: Math.max(slots, previous?.slots ?? 0),
    pools: [...pools, directoryEntry(directory, room.used)],
  };
}

/** The layout with a block for what is wished, in the same memory; null: its room or the number of blocks is used up. */
export function addBlock(layout: StatsLayout, wish: BlockWish): StatsLayout | null {
  const room = new FreeRoom(layout);
  const old = directoryOf(layout);
  const directory = withBlocks(old, [wish], (size) => {
    const isFull = room.used + size + BLOCK_VALUES > layout.stride;
    return isFull || old.blocks.length >= METRIC_BLOCKS_MAX ? null : room.take(size);
  });
  if (findBlock(directory, wish) === null) return null;
  const pools = [...poolsOf(layout), directoryEntry(directory, room.used)];
  return { ...layout, pools };
}

/** Behind all other blocks, see DIRECTORY_NAME. */
function directoryEntry(directory: Directory, base: number): PoolLayout {
  return { name: DIRECTORY_NAME, base, servers: [], directory };
}

/** Values from the beginning of a region to the end of its last block. */
export function valuesInUse(layout: StatsLayout): number {
  return new FreeRoom(layout).used;
}

/** Bytes of memory that `layout` describes. */
export function statsByteLength(layout: StatsLayout): number {
  return layout.stride * layout.slots * Float64Array.BYTES_PER_ELEMENT;
}

/** One worker slot's values, sharing `memory`. */
export function slotRegion(memory: Float64Array, layout: StatsLayout, slot: number): Float64Array {
  if (!Number.isInteger(slot) || slot < 0 || slot >= layout.slots) {
    throw new RangeError(`worker slot ${slot} is not within 0…${layout.slots - 1}`);
  }
  return memory.subarray(slot * layout.stride, (slot + 1) * layout.stride);
}

/**
 * Zeroes the gauges of a slot and leaves its counters. Call it when a worker takes a slot over and when a slot is given up:
 * a worker that was killed could not take its connections and queues off its gauges.
 */
export function resetGauges(region: Float64Array, layout: StatsLayout): void {
  for (const block of blocksOf(layout)) resetBlock(region, block);
}

/** Likewise of one block. */
export function resetBlock(
  region: Float64Array,
  { schema, base }: Pick<Block, "schema" | "base">,
): void {
  for (const [offset, row] of schema.rows.entries()) {
    if (kindOf(row)?.isKept === false) region[base + offset] = 0;
  }
}

/**
 * Copies all values to the memory of a layout that was made from `from` as its previous one, where they are zero.
 * @param source read, not mapped: see readStatsMemory
 */
export function copyCounters(
  source: Float64Array,
  from: StatsLayout,
  target: Float64Array,
  to: StatsLayout,
): void {
  for (let slot = 0; slot < from.slots; slot++) {
    copyPages(slotRegion(source, from, slot), slotRegion(target, to, slot));
  }
}

/** Copies the pages that hold something: the others shall go on taking no memory. */
export function copyPages(source: Float64Array, target: Float64Array): void {
  for (let at = 0; at < source.length; at += STRIDE_STEP_VALUES) {
    const page = source.subarray(at, at + STRIDE_STEP_VALUES);
    if (page.some((value) => value !== 0)) target.set(page, at);
  }
}

/** Hands out values behind the last ones in use. */
class FreeRoom {
  /** Values in use: the base of the next block. */
  used = 0;

  constructor(layout: StatsLayout | undefined) {
    if (layout === undefined) return;
    for (const { base, size } of blocksOf(layout)) this.used = Math.max(this.used, base + size);
  }

  take(size: number): number {
    const base = this.used;
    this.used += size;
    return base;
  }
}

function extendServers(
  known: readonly ServerLayout[],
  names: readonly string[],
  room: FreeRoom,
): ServerLayout[] {
  const servers = [...known];
  const taken = new Set(known.map((server) => server.name));
  for (const name of names) {
    if (taken.has(name)) continue;
    taken.add(name);
    servers.push({ name, base: room.take(BLOCK_VALUES) });
  }
  return servers;
}

function strideFor(used: number, previous: StatsLayout | undefined): number {
  if (previous !== undefined && used <= previous.stride) return previous.stride;
  return Math.ceil((used + RESERVED_VALUES) / STRIDE_STEP_VALUES) * STRIDE_STEP_VALUES;
}
