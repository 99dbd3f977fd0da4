/**
 * A crew: all workers of one configuration and one executable.
 *
 * Neither ever changes under a crew: a reload, an upgrade and a change of the number of workers each start a new
 * crew beside it.
 */
import type { FromWorker } from "../api/control.ts";
import type { Logger } from "../base/log.ts";
import {
  type CrewPlan,
  CrewWorker,
  type WorkerEvents,
  type WorkerSnapshot,
} from "./crew-worker.ts";
import type { ListenerPlan, Listeners } from "./listeners.ts";
import { StartError } from "./start-error.ts";
import type { StatsStore } from "./stats-store.ts";

export interface CrewOptions {
  readonly plan: CrewPlan;
  readonly listenerPlan: ListenerPlan;
  readonly listeners: Listeners;
  readonly stats: StatsStore;
  nextBirth(): number;
  readonly events: CrewEvents;
  readonly log: Logger;
}

export interface CrewEvents extends Pick<WorkerEvents, "onSocketEnd"> {
  /** A worker is ready, for the first time or again. */
  onReady(worker: CrewWorker): void;
  onMessage(worker: CrewWorker, message: FromWorker): void;
  onWorkerGone(worker: CrewWorker): void;
  /** Its last worker has left. */
  onGone(crew: Crew): void;
}

/** A crew as plain data: for a program that replaces this one and goes on with it. */
export interface CrewSnapshot {
  readonly number: number;
  readonly size: number;
  readonly workers: readonly WorkerSnapshot[];
}

/** As long as a crew was never ready, this many deaths in a row of one worker mean that it cannot work. */
const START_DEATHS_MAX = 5;

export class Crew {
  readonly plan: CrewPlan;
  readonly listenerPlan: ListenerPlan;
  readonly workers: CrewWorker[] = [];
  readonly #options: CrewOptions;
  /** While `assemble` waits. */
  #assembly: { readonly count: number; resolve(): void; reject(error: StartError): void } | null =
    null;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.listenerPlan = options.listenerPlan;
  }

  /** Starts workers until there are `count`; resolves when all are ready. @throws StartError: they cannot work */
  async assemble(count: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Nobody may be waiting for it yet when the first one fails.
    promise.catch(() => {});
    this.#assembly = { count, resolve, reject };
    const added: CrewWorker[] = [];
    while (this.workers.length + added.length < count) {
      added.push(this.#add(this.workers.length + added.length, this.#options.stats.takeSlot()));
    }
    this.workers.push(...added);
    // If one cannot be started, all are stopped, also those whose turn would come.
    for (const worker of added) worker.start();
    try {
      await promise;
    } finally {
      this.#assembly = null;
    }
  }

  /** Instead of `assemble`. */
  resume(snapshot: CrewSnapshot): void {
    for (const saved of snapshot.workers) {
      this.#options.stats.keepSlot(saved.slot);
      const worker = this.#add(saved.index, saved.slot);
      this.workers.push(worker);
    }
    for (const [at, worker] of [...this.workers].entries()) worker.resume(snapshot.workers[at]!);
  }

  /** Null: somebody is just ending; ask again in a moment. */
  snapshot(): CrewSnapshot | null {
    const { number, size } = this.plan;
    const workers: WorkerSnapshot[] = [];
    for (const worker of this.workers) {
      const saved = worker.snapshot();
      if (saved === null) return null;
      workers.push(saved);
    }
    return { number, size, workers };
  }

  stop(): void {
    this.#abort("it was stopped");
    for (const worker of [...this.workers]) worker.stop();
  }

  drain(timeoutMs: number): void {
    this.#abort("it was drained");
    for (const worker of [...this.workers]) worker.drain(timeoutMs);
  }

  tick(): void {
    for (const worker of this.workers) worker.tick();
  }

  #add(index: number, slot: number): CrewWorker {
    const { plan, listeners, listenerPlan, stats, log, events, nextBirth } = this.#options;
    const worker = new CrewWorker(
      {
        crew: plan,
        index,
        slot,
        listeners: () => listeners.forWorker(listenerPlan, index, plan.size),
        nextBirth,
      },
      {
        onReady: (ready) => {
          this.#onReady();
          events.onReady(ready);
        },
        onMessage: events.onMessage,
        onDeath: (dead, earlyDeaths, reason) => this.#onDeath(dead, earlyDeaths, reason),
        onSocketEnd: events.onSocketEnd,
        onGone: (gone) => {
          stats.releaseSlot(slot);
          this.workers.splice(this.workers.indexOf(gone), 1);
          events.onWorkerGone(gone);
          if (this.workers.length === 0) events.onGone(this);
        },
      },
      log,
    );
    return worker;
  }

  #onReady(): void {
    const ready = this.workers.filter((worker) => worker.isServing).length;
    if (this.#assembly !== null && ready >= this.#assembly.count) this.#assembly.resolve();
  }

  /** Later a dead worker is replaced whatever it died of; but a crew that never worked must not pretend to. */
  #onDeath(worker: CrewWorker, earlyDeaths: number, reason: string | null): void {
    if (this.#assembly === null) return;
    if (reason === null && earlyDeaths < START_DEATHS_MAX) return;
    const why = reason ?? `died ${earlyDeaths} times in a row right after its start`;
    this.#abort(`${worker.name}: ${why}`);
    this.stop();
  }

  #abort(problem: string): void {
    this.#assembly?.reject(new StartError([problem]));
  }
}
