/** How many clients the workers have, read from the statistics memory that all of them map. */
import { POOL, type StatsLayout } from "../api/stats.ts";

export class ClientGauges {
  private readonly stats: StatsLayout;
  /** The regions of all slots. */
  private readonly memory: Float64Array;

  /** @param counters the region of `slot` within the memory of all */
  constructor(stats: StatsLayout, counters: Float64Array, slot: number) {
    this.stats = stats;
    this.memory = new Float64Array(
      counters.buffer,
      counters.byteOffset - slot * stats.stride * Float64Array.BYTES_PER_ELEMENT,
      stats.slots * stats.stride,
    );
  }

  /** Clients of the worker in `slot`, of all pools. */
  in(slot: number): number {
    const region = slot * this.stats.stride + POOL.client_connections;
    return this.stats.pools.reduce((sum, { base }) => sum + this.memory[region + base]!, 0);
  }

  /** Clients of all workers, of these pools. */
  everywhere(pools: readonly string[]): number {
    return this.stats.pools.reduce(
      (sum, { name, base }) =>
        pools.includes(name) ? sum + this.sum(base + POOL.client_connections) : sum,
      0,
    );
  }

  /** The gauge at `place` of a region, over all workers. */
  sum(place: number): number {
    const { slots, stride } = this.stats;
    let sum = 0;
    for (let slot = 0; slot < slots; slot++) sum += this.memory[slot * stride + place]!;
    return sum;
  }
}
