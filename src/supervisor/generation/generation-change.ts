/**
 * The change of generation: how a reload, an upgrade and a change of the number of workers are done.
 *
 *   old generation  serving ─────────────────────────────────────┬─ hands its clients over ─▶ leaves
 *   new generation            starting ─▶ all ready, accepting ──┴─ adopts them ─▶ serving
 *                             └─ any failure: it is stopped, and the old one never noticed
 */
import type { Config } from "../../api/config.ts";
import type { FromWorker } from "../../api/control.ts";
import type { GenerationResult } from "../../api/control-socket.ts";
import type { WorkerSet } from "../../api/worker-set.ts";
import { WORKERS_AT_ONCE_PER_CORE } from "../../base/limits.ts";
import type { Logger } from "../../base/log.ts";
import { workersIn } from "../../config/worker-sets.ts";
import { usableCores } from "../../os/usable-cores.ts";
import type { PacketRouter } from "../hand-over/packet-router.ts";
import { giveSocketFiles } from "../sockets/listener-options.ts";
import type { ListenerPlan, Listeners } from "../sockets/listeners.ts";
import { StartError } from "../start-error.ts";
import type { Generation, GenerationSnapshot } from "./generation.ts";
import type { WorkerSlot } from "./worker-slot.ts";

export type Progress = (text: string) => void;

/** What the change needs of the supervisor. */
export interface ChangeHost {
  readonly log: Logger;
  readonly listeners: Listeners;
  readonly router: PacketRouter;
  /**
   * A generation that is not started yet; the supervisor stops it with all others.
   * @param saved what the program before this one left of it. @throws OsError, StartError
   */
  createGeneration(
    config: Config,
    sets: readonly WorkerSet[],
    listenerPlan: ListenerPlan,
    saved?: GenerationSnapshot,
  ): Generation;
}

/** When no client has moved for so long, the asker is not kept waiting for those that are busy; they go on moving afterwards. */
const SETTLE_MS = 5_000;
/** When no client has moved for so long, one more worker begins. */
const PROGRESS_MS = 100;

/** So many workers may do at a time what takes a core: start, or hand their clients over. Others serve clients meanwhile. */
export function workersAtOnce(): number {
  return Math.max(1, Math.floor(usableCores() * WORKERS_AT_ONCE_PER_CORE));
}

/**
 * Starts the generation that shall serve `config`. The old one serves on, whatever happens here.
 * @param atOnce so many of its workers start at a time
 * @throws StartError with every reason; nothing is left of the attempt then
 */
export async function startGeneration(
  host: ChangeHost,
  config: Config,
  sets: readonly WorkerSet[],
  atOnce: number,
  progress: Progress,
): Promise<Generation> {
  const { listeners } = host;
  const before = listeners.snapshot();
  const size = workersIn(sets);
  const plan = await listeners.prepare(config, sets);
  let generation: Generation | null = null;
  try {
    generation = host.createGeneration(config, sets, plan);
    // New sockets on an address that is served already get clients at once, so they come last: when it is proved that
    // such workers work.
    const first = listeners.provided(plan, size);
    progress(`starting ${size} ${size === 1 ? "worker" : "workers"}`);
    await assembleInSteps(generation, first, atOnce);
    if (first.length < size) {
      listeners.widen(plan, size);
      const all = Array.from({ length: size }, (_, index) => index);
      await assembleInSteps(
        generation,
        all.filter((index) => !first.includes(index)),
        atOnce,
      );
    }
    giveSocketFiles(listeners.files(plan), generation.plan.runAs);
    await generation.open();
    await generation.prove();
    return generation;
  } catch (error) {
    generation?.stop();
    listeners.restore(before);
    throw error instanceof StartError ? error : new StartError([(error as Error).message]);
  }
}

async function assembleInSteps(
  generation: Generation,
  indexes: readonly number[],
  atOnce: number,
): Promise<void> {
  const left = [...indexes];
  while (left.length > 0) await generation.assemble(left.splice(0, atOnce));
}

/**
 * Has one generation hand its clients over to another, a few workers at a time: with all of them at once, each client's request would
 * wait until all others had had their turn on a core.
 */
export class GenerationHandOver {
  readonly #host: ChangeHost;
  readonly #from: Generation;
  readonly #to: Generation;
  readonly #pending = new Set<WorkerSlot>();
  /** Those of them that were not told to begin yet. */
  readonly #waiting: WorkerSlot[] = [];
  readonly #startedAtMs = performance.now();
  readonly #lostBefore: number;
  readonly #settled = Promise.withResolvers<void>();
  /** Workers of the old generation that died before all their clients had left. */
  readonly #died: { readonly worker: WorkerSlot; readonly clients: number }[] = [];
  #moved = 0;

  /** Starts at once. @param atOnce so many workers hand over at a time, and more when no client moves */
  constructor(host: ChangeHost, from: Generation, to: Generation, atOnce: number) {
    this.#host = host;
    this.#from = from;
    this.#to = to;
    this.#lostBefore = host.router.lost;
    for (const worker of [...from.workers]) {
      if (!worker.isServing) {
        worker.stop();
        continue;
      }
      worker.retire();
      this.#pending.add(worker);
      this.#waiting.push(worker);
    }
    for (let begun = 0; begun < atOnce; begun++) this.#beginNext();
    this.#watchProgress();
    this.#checkSettled();
  }

  #beginNext(): void {
    const worker = this.#waiting.shift();
    if (worker === undefined) return;
    const { config } = this.#to.plan;
    const readable = this.#to.workers[0]?.packetFormats ?? [];
    const formats = worker.packetFormats.filter((format) => readable.includes(format));
    worker.handOver(
      config.pools.map(({ name }) => name),
      formats.length === 0 ? null : Math.max(...formats),
      this.#from.plan.running().drainTimeoutMs,
    );
  }

  /** No worker waits for those before it while they wait for clients, or for a core. */
  #watchProgress(): void {
    const { router } = this.#host;
    let { passed } = router;
    const timer = setInterval(() => {
      if (router.passed === passed) this.#beginNext();
      passed = router.passed;
      if (this.#waiting.length === 0) clearInterval(timer);
    }, PROGRESS_MS);
  }

  onMessage(worker: WorkerSlot, message: FromWorker): void {
    if (message.type !== "handed_over" || !this.#pending.delete(worker)) return;
    this.#moved += message.moved;
    this.#beginNext();
    this.#checkSettled();
  }

  /** @param clients that it had when it was heard of last. One that has not said that it is done has died with them */
  onGone(worker: WorkerSlot, clients: number): void {
    if (!this.#pending.delete(worker)) return;
    this.#died.push({ worker, clients });
    const at = this.#waiting.indexOf(worker);
    if (at >= 0) this.#waiting.splice(at, 1);
    else this.#beginNext();
    this.#checkSettled();
  }

  /** Resolves when every client has moved that can, or none has for a moment; the rest goes on. */
  async settle(): Promise<GenerationResult> {
    const { router } = this.#host;
    let passed = router.passed;
    const timer = setInterval(() => {
      if (router.passed === passed) this.#settled.resolve();
      passed = router.passed;
    }, SETTLE_MS);
    await this.#settled.promise;
    clearInterval(timer);
    const lostWithOld = this.#countDied();
    return {
      crew: this.#to.plan.number,
      generation: this.#to.plan.number,
      workers: this.#to.workers.length,
      moved: this.#moved,
      left: this.#from.workers.reduce((sum, { clients }) => sum + clients, 0),
      lost: router.lost - this.#lostBefore + lostWithOld,
      tookMs: Math.round(performance.now() - this.#startedAtMs),
    };
  }

  /** What workers had sent before they died has moved all the same. @returns how many clients they took along */
  #countDied(): number {
    const { sourceCounts } = this.#host.router;
    let lost = 0;
    for (const { worker, clients } of this.#died) {
      const lostWith = Math.max(clients - sourceCounts.untold(worker), 0);
      this.#moved += sourceCounts.taken(worker);
      lost += lostWith;
      if (lostWith === 0) continue;
      this.#host.log.error("a worker died while it handed its clients over, and took some along", {
        event: "worker_died_in_hand_over",
        child: worker.name,
        clients: lostWith,
      });
    }
    return lost;
  }

  #checkSettled(): void {
    if (this.#pending.size > 0) return;
    void this.#host.router.whenIdle().then(() => this.#settled.resolve());
  }
}
