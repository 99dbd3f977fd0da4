/** Which worker the next packet goes to: the one with the fewest clients, those included that are on their way to it. */
import {
  PACKETS_IN_A_ROW,
  PACKETS_UNDERWAY_LEAST,
  PACKETS_UNDERWAY_MAX,
  PACKETS_UNDERWAY_PER_CORE,
  PACKETS_UNDERWAY_SHARE,
  SLOW_TARGET_MS,
} from "../../base/limits.ts";

/** A worker, as far as it can be given packets. */
export interface PacketTarget {
  readonly isServing: boolean;
  readonly handoverFd: number | null;
  readonly clients: number;
  /** See HandOverWorker. */
  readonly pools?: readonly string[] | null;
}

/** A worker gets no more than so many clients above those of the one that has the fewest, ... */
const UNEVEN_CLIENTS_MAX = 2 * PACKETS_UNDERWAY_MAX;
/** ... unless a packet has waited for so long: then that one hangs, or is no quicker for being waited for. */
const EVEN_WAIT_MS = 1_000;
/** The worker that goes on getting packets has no more clients above the fewest than this part of those: a few busy ones are spread. */
const IN_A_ROW_PART = 8;

/**
 * So many packets may be underway to all workers, with `cores` for all processes, from one that may have `openFiles` files. A worker
 * that waits for its packets leaves the cores to those that serve.
 */
export function packetsUnderwayToAll(openFiles: number, cores: number): number {
  const share = Math.floor(openFiles * PACKETS_UNDERWAY_SHARE);
  return Math.max(1, Math.min(share, PACKETS_UNDERWAY_PER_CORE * cores));
}

/** What a worker was given and has not answered for. */
interface Debt {
  packets: number;
  /** When it owed nothing last, or answered. */
  sinceMs: number;
}

export class PacketTargets<Worker extends PacketTarget> {
  /** Who may be given packets, besides a `direct` one. */
  readonly #serving: () => readonly Worker[];
  readonly #nowMs: () => number;
  /** Rebalancing: what comes from here goes there. */
  readonly #direct = new Map<Worker, Worker>();
  readonly #debts = new Map<Worker, Debt>();
  #owedInAll = 0;
  /** Who was given a packet last. */
  #last: Worker | null = null;

  constructor(serving: () => readonly Worker[], nowMs: () => number = () => performance.now()) {
    this.#serving = serving;
    this.#nowMs = nowMs;
  }

  /** Packets that all workers together were given and have not answered for. */
  get owedInAll(): number {
    return this.#owedInAll;
  }

  /** Each of them may be given any packet. */
  get areAlike(): boolean {
    return this.#serving().every(({ pools }) => pools == null);
  }

  /** Of these, those that are still on their way: a worker that hangs holds up its own only. */
  get underway(): number {
    const slowBeforeMs = this.#nowMs() - SLOW_TARGET_MS;
    let underway = 0;
    for (const { packets, sinceMs } of this.#debts.values()) {
      if (sinceMs >= slowBeforeMs) underway += packets;
    }
    return underway;
  }

  owedBy(worker: Worker): number {
    return this.#debts.get(worker)?.packets ?? 0;
  }

  /** From now on packets of `source` go to `target`; null: to any worker. */
  direct(source: Worker, target: Worker | null): void {
    if (target === null) this.#direct.delete(source);
    else this.#direct.set(source, target);
  }

  /** Of `most` packets that may be underway: so many to one worker, so that one that hangs does not hold all of them. */
  shareOf(most: number): number {
    let targets = 0;
    for (const target of this.#serving()) if (isThere(target)) targets += 1;
    const share = Math.max(Math.floor(most / Math.max(targets, 1)), PACKETS_UNDERWAY_LEAST);
    return Math.min(share, PACKETS_UNDERWAY_MAX);
  }

  /** `worker` was given a packet. */
  give(worker: Worker): void {
    this.#last = worker;
    this.#owedInAll += 1;
    const debt = this.#debts.get(worker);
    if (debt === undefined) this.#debts.set(worker, { packets: 1, sinceMs: this.#nowMs() });
    else debt.packets += 1;
  }

  /** `worker` has answered for so many. */
  settle(worker: Worker, answered: number): void {
    const debt = this.#debts.get(worker);
    if (debt === undefined) return;
    const settled = Math.min(debt.packets, answered);
    this.#owedInAll -= settled;
    debt.packets -= settled;
    debt.sinceMs = this.#nowMs();
    if (debt.packets === 0) this.#debts.delete(worker);
  }

  /** `worker` is gone. @returns the packets that it had not answered for */
  forget(worker: Worker): number {
    this.#direct.delete(worker);
    for (const [source, target] of this.#direct) if (target === worker) this.#direct.delete(source);
    const owed = this.owedBy(worker);
    this.settle(worker, owed);
    return owed;
  }

  /**
   * The worker with the fewest clients that is not `full`, or the one that was given a packet last if it has hardly more: so each
   * gets some in a row, and they do not all want a core for a client or two. Null: none may have it now. A worker that is merely slow to take its
   * packets stays in the comparison: otherwise a quick one would get the clients of all, up to its last descriptor.
   * @param pool of the client: only workers that serve it are in the choice; null: all are
   */
  pick(
    source: Worker,
    receivedAtMs: number,
    full: ReadonlySet<Worker>,
    pool: string | null = null,
  ): Worker | null {
    const direct = this.#direct.get(source);
    if (direct !== undefined && isThere(direct) && !full.has(direct)) return direct;
    let best: Worker | null = null;
    let bestLoad = Number.POSITIVE_INFINITY;
    let fewest = Number.POSITIVE_INFINITY;
    let last = Number.POSITIVE_INFINITY;
    for (const target of this.#serving()) {
      if (!isThere(target) || !serves(target, pool)) continue;
      const load = target.clients + this.owedBy(target);
      fewest = Math.min(fewest, load);
      if (full.has(target)) continue;
      if (target === this.#last) last = load;
      if (load >= bestLoad) continue;
      best = target;
      bestLoad = load;
    }
    const more = Math.min(PACKETS_IN_A_ROW, Math.floor(fewest / IN_A_ROW_PART));
    if (last < fewest + more) return this.#last;
    if (bestLoad - fewest <= UNEVEN_CLIENTS_MAX) return best;
    return this.#nowMs() - receivedAtMs < EVEN_WAIT_MS ? null : best;
  }
}

function isThere({ isServing, handoverFd }: PacketTarget): boolean {
  return isServing && handoverFd !== null;
}

function serves({ pools }: PacketTarget, pool: string | null): boolean {
  return pool === null || pools == null || pools.includes(pool);
}
