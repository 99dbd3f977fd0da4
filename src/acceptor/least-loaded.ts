/**
 * Who gets the next connection: the worker with the fewest clients.
 *
 * A worker's gauge lags behind: connections that were sent, but that it has not taken yet, count as well. They are known
 * from its counter of all connections ever; after a pause whatever is not in the gauge by then was refused.
 */
import type { StatsLayout } from "../api/stats.ts";
import { POOL } from "../api/stats.ts";

/** Sent so long ago, a connection was taken or refused. */
const SETTLED_MS = 200;

interface Place {
  readonly slot: number;
  /** Connections in its gauge, as read last. */
  clients: number;
  /** Connections sent since `takenBefore` was read. */
  sent: number;
  takenBefore: number;
  /** Sent and not taken, as read last. */
  underway: number;
}

export class LeastLoaded {
  readonly #memory: Float64Array;
  readonly #layout: StatsLayout;
  readonly #places: readonly Place[];
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #next = 0;

  constructor(memory: Float64Array, layout: StatsLayout, slots: readonly number[]) {
    this.#memory = memory;
    this.#layout = layout;
    this.#places = slots.map((slot) => ({
      slot,
      clients: 0,
      sent: 0,
      takenBefore: 0,
      underway: 0,
    }));
  }

  /** Reads what the workers have now; to be called before a run of `pick`. */
  refresh(nowMs: number): void {
    const isSettled = nowMs - this.#sentAtMs > SETTLED_MS;
    for (const place of this.#places) {
      place.clients = this.#sum(place.slot, POOL.client_connections);
      const taken = this.#sum(place.slot, POOL.client_connections_total);
      if (isSettled) {
        place.sent = 0;
        place.takenBefore = taken;
      }
      place.underway = Math.max(0, place.sent - (taken - place.takenBefore));
    }
  }

  /** Indexes of all workers, the one with the fewest clients first; of equals another one each time. */
  order(): number[] {
    const count = this.#places.length;
    const first = this.#next;
    this.#next = (first + 1) % count;
    const indexes = this.#places.map((_, i) => (first + i) % count);
    return indexes.sort((a, b) => this.#load(a) - this.#load(b));
  }

  /** The worker at `index` was sent a connection. */
  onSent(index: number, nowMs: number): void {
    const place = this.#places[index];
    if (place === undefined) return;
    place.sent += 1;
    place.underway += 1;
    this.#sentAtMs = nowMs;
  }

  #load(index: number): number {
    const { clients, underway } = this.#places[index]!;
    return clients + underway;
  }

  #sum(slot: number, counter: number): number {
    let sum = 0;
    const region = slot * this.#layout.stride;
    for (const { base } of this.#layout.pools) sum += this.#memory[region + base + counter]!;
    return sum;
  }
}
