/**
 * Decides when long-lived client connections are worth moving, and which way: from the fullest worker to the emptiest.
 *
 * Connections come to workers by chance, and stay for weeks. A spread that lasts is evened out, a passing one is left alone.
 */

import type { WorkerSet } from "../../api/worker-set.ts";

/** A worker as it stood at the last look. */
export interface Load {
  readonly clients: number;
}

export interface Move<Worker> {
  readonly from: Worker;
  readonly to: Worker;
  readonly sessions: number;
}

/** The spread that is left alone, as a share of the mean; below two clients there is nothing to even out. */
const SPREAD_SHARE = 0.1;
const SPREAD_MIN = 1;
/** It must have lasted for so many looks. */
const LOOKS_MIN = 2;
/** With a look a second: at most so many clients a second move. */
export const MOVE_MAX = 200;
/** A worker whose clients all cannot move is not asked again for so many looks. */
const REST_LOOKS = 30;

export class Rebalancer<Worker extends Load> {
  #uneven = 0;
  readonly #resting = new Map<Worker, number>();

  /** Called once a second with all workers that serve. @returns what to move now, if anything */
  look(workers: readonly Worker[]): Move<Worker> | null {
    const givers = workers.filter((worker) => !this.#isResting(worker));
    const from = givers.reduce<Worker | null>(
      (most, worker) => (most === null || worker.clients > most.clients ? worker : most),
      null,
    );
    const to = workers.reduce<Worker | null>(
      (least, worker) => (least === null || worker.clients < least.clients ? worker : least),
      null,
    );
    const mean = workers.reduce((sum, { clients }) => sum + clients, 0) / workers.length;
    const spread = from === null || to === null ? 0 : from.clients - to.clients;
    if (from === null || to === null || spread <= Math.max(mean * SPREAD_SHARE, SPREAD_MIN)) {
      this.#uneven = 0;
      return null;
    }
    this.#uneven += 1;
    if (this.#uneven < LOOKS_MIN) return null;
    return { from, to, sessions: Math.min(Math.floor(spread / 2), MOVE_MAX) };
  }

  /** `worker` was asked, and none of its clients could move. */
  onNothingMoved(worker: Worker): void {
    this.#resting.set(worker, REST_LOOKS);
  }

  #isResting(worker: Worker): boolean {
    const looks = this.#resting.get(worker);
    if (looks === undefined) return false;
    if (looks > 1) this.#resting.set(worker, looks - 1);
    else this.#resting.delete(worker);
    return true;
  }
}

/** A worker that evens out with those of its set only, see src/config/worker-sets.ts. */
export interface LoadInSet extends Load {
  readonly set: Pick<WorkerSet, "pool">;
}

/** A rebalancer for each worker set. */
export class SetRebalancer<Worker extends LoadInSet> {
  /** By the set's pool. */
  readonly #sets = new Map<string | null, Rebalancer<Worker>>();

  /** See Rebalancer.look. Of several sets that are uneven the others are next when the first one is even. */
  look(workers: readonly Worker[]): Move<Worker> | null {
    let move: Move<Worker> | null = null;
    for (const [pool, members] of Map.groupBy(workers, ({ set }) => set.pool)) {
      const found = this.#of(pool).look(members);
      move ??= found;
    }
    return move;
  }

  onNothingMoved(worker: Worker): void {
    this.#of(worker.set.pool).onNothingMoved(worker);
  }

  #of(pool: string | null): Rebalancer<Worker> {
    const rebalancer = this.#sets.get(pool) ?? new Rebalancer<Worker>();
    this.#sets.set(pool, rebalancer);
    return rebalancer;
  }
}
