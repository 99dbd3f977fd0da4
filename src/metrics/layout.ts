/**
 * Assigns every pool and server its place in the shared statistics memory.
 *
 *   memory   | slot 0          | slot 1          | …              slots × stride values
 *   region   | block | block | block | … | reserved room |        stride values
 *   block    | the counters of one pool or one server | spare |   BLOCK_VALUES values
 *
 * A base once given to a name is never moved or given to another name, so counters stay monotonic over reloads.
 * Names that left the config therefore stay in the layout: what is shown is the config's choice, not the layout's.
 * Blocks have spare values, so that a later version may append counters and still read the memory it inherits.
 */
import type { Config } from "../api/config.ts";
import { POOL, SERVER, type StatsLayout } from "../api/stats.ts";

/** Values per pool or server; whole cache lines, and room for counters that later versions append. */
export const BLOCK_VALUES = 32;
/** Values kept free at the end of each region for pools and servers that a reload adds. Untouched pages cost no memory. */
export const RESERVED_VALUES = 16_384;
/** A stride is a multiple of this: 4 KiB pages, so that no two workers write one page. */
export const STRIDE_STEP_VALUES = 512;

/** Pool counters that go up and down. */
export const POOL_GAUGES: readonly number[] = [POOL.client_connections, POOL.shared_subscriptions];
/** Server counters that go up and down. */
export const SERVER_GAUGES: readonly number[] = [
  SERVER.server_connections,
  SERVER.in_queue,
  SERVER.in_queue_bytes,
  SERVER.out_queue,
  SERVER.out_queue_bytes,
  SERVER.in_trouble,
  SERVER.ejected,
  SERVER.trouble_since,
  SERVER.trouble_kind,
];

type PoolLayout = StatsLayout["pools"][number];
type ServerLayout = PoolLayout["servers"][number];

/**
 * Lays out the counters of `config` for at least `slots` worker slots.
 *
 * With `previous`, all its bases stay, new names are appended and `slots` never shrinks. As long as the stride is
 * unchanged, memory of the previous layout stays valid (enlarge it when `slots` grew). Once the reserved room is used up
 * the stride grows: the caller then makes new memory and fills it with `copyCounters`.
 */
export function createStatsLayout(
  config: Config,
  slots: number,
  previous?: StatsLayout,
): StatsLayout {
  const allocator = new BlockAllocator(previous);
  const pools: PoolLayout[] = [];
  const left = new Map((previous?.pools ?? []).map((pool) => [pool.name, pool]));
  // Known names first and in their old order: the layout is append-only as a list, too.
  const configured = new Map(config.pools.map((pool) => [pool.name, pool]));
  for (const known of left.values()) {
    const names = configured.get(known.name)?.servers.map((server) => server.name) ?? [];
    pools.push({ ...known, servers: extendServers(known.servers, names, allocator) });
  }
  for (const pool of configured.values()) {
    if (left.has(pool.name)) continue;
    const base = allocator.take();
    const names = pool.servers.map((server) => server.name);
    pools.push({ name: pool.name, base, servers: extendServers([], names, allocator) });
  }
  return {
    stride: strideFor(allocator.used, previous),
    slots: Math.max(slots, previous?.slots ?? 0),
    pools,
  };
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
  for (const pool of layout.pools) {
    for (const gauge of POOL_GAUGES) region[pool.base + gauge] = 0;
    for (const server of pool.servers) {
      for (const gauge of SERVER_GAUGES) region[server.base + gauge] = 0;
    }
  }
}

/** Copies all values to the memory of a layout that was made from `from` as its previous one. */
export function copyCounters(
  source: Float64Array,
  from: StatsLayout,
  target: Float64Array,
  to: StatsLayout,
): void {
  for (let slot = 0; slot < from.slots; slot++) {
    slotRegion(target, to, slot).set(slotRegion(source, from, slot));
  }
}

/** Hands out blocks behind the last one in use. */
class BlockAllocator {
  /** Values in use: the base of the next block. */
  used = 0;

  constructor(previous: StatsLayout | undefined) {
    for (const pool of previous?.pools ?? []) {
      this.#keep(pool.base);
      for (const server of pool.servers) this.#keep(server.base);
    }
  }

  take(): number {
    const base = this.used;
    this.used += BLOCK_VALUES;
    return base;
  }

  #keep(base: number): void {
    this.used = Math.max(this.used, base + BLOCK_VALUES);
  }
}

function extendServers(
  known: readonly ServerLayout[],
  names: readonly string[],
  allocator: BlockAllocator,
): ServerLayout[] {
  const servers = [...known];
  const taken = new Set(known.map((server) => server.name));
  for (const name of names) {
    if (taken.has(name)) continue;
    taken.add(name);
    servers.push({ name, base: allocator.take() });
  }
  return servers;
}

function strideFor(used: number, previous: StatsLayout | undefined): number {
  if (previous !== undefined && used <= previous.stride) return previous.stride;
  return Math.ceil((used + RESERVED_VALUES) / STRIDE_STEP_VALUES) * STRIDE_STEP_VALUES;
}
