/**
 * A generation: all workers of one configuration and one executable.
 *
 * Neither ever changes under a generation: a reload, an upgrade and a change of the number of workers each start a new
 * generation beside it.
 */

import type { FromWorker, RunAs, ToWorker } from "../../api/control.ts";
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { RetainedMessage } from "../../api/worker-bus.ts";
import type { WorkerSet } from "../../api/worker-set.ts";
import type { Logger } from "../../base/log.ts";
import type { KeeperSnapshot } from "../process/child-keeper.ts";
import { AcceptSource, type AcceptSourceSnapshot } from "../sockets/accept-source.ts";
import type { ListenerPlan, Listeners } from "../sockets/listeners.ts";
import { StartError } from "../start-error.ts";
import type { StatsStore } from "../stats/stats-store.ts";
import { AcceptorSlot } from "./acceptor-slot.ts";
import {
  type GenerationPlan,
  type WorkerEvents,
  WorkerSlot,
  type WorkerSnapshot,
} from "./worker-slot.ts";

export interface GenerationOptions {
  readonly plan: GenerationPlan;
  readonly listenerPlan: ListenerPlan;
  readonly listeners: Listeners;
  readonly stats: StatsStore;
  /** What the program before this one left of the generation, or null. */
  readonly saved: GenerationSnapshot | null;
  nextBirth(): number;
  retained(): readonly RetainedMessage[];
  readonly events: GenerationEvents;
  readonly log: Logger;
}

export interface GenerationEvents extends Pick<WorkerEvents, "onSocketEnd"> {
  /** A worker is ready, for the first time or again. */
  onReady(worker: WorkerSlot): void;
  onMessage(worker: WorkerSlot, message: FromWorker): void;
  /** Its process died; it will be replaced. */
  onWorkerDeath(worker: WorkerSlot): void;
  /** @param clients that it had when it was heard of last */
  onWorkerGone(worker: WorkerSlot, clients: number): void;
  /** Its last process has left. */
  onGone(generation: Generation): void;
}

/** A generation as plain data: for a program that replaces this one and goes on with it. */
export interface GenerationSnapshot {
  readonly number: number;
  readonly size: number;
  /** Absent: the program that left it is older than worker sets, and there is one of all pools and workers. */
  readonly sets?: readonly WorkerSet[];
  readonly workers: readonly WorkerSnapshot[];
  /** Of its accept source; the name is older. */
  readonly intake: AcceptSourceSnapshot;
  /** Null: it has none. */
  readonly acceptor: KeeperSnapshot | null;
  readonly runAs: RunAs | null;
}

/** As long as a generation was never ready, this many deaths in a row of one worker mean that it cannot work. */
const START_DEATHS_MAX = 5;

export class Generation {
  readonly plan: GenerationPlan;
  readonly listenerPlan: ListenerPlan;
  readonly workers: WorkerSlot[] = [];
  readonly #options: GenerationOptions;
  readonly #acceptSource: AcceptSource;
  /** By index. */
  readonly #slots: number[] = [];
  #acceptor: AcceptorSlot | null = null;
  /** Nothing is added any more. */
  #isEnding = false;
  /** Workers that have answered since they were ready last. */
  readonly #proven = new Set<WorkerSlot>();
  /** While `assemble` waits: for so many workers, for the acceptor, or for all workers' answers. */
  #assembly: {
    readonly count: number | "acceptor" | "proof";
    resolve(): void;
    reject(error: StartError): void;
  } | null = null;

  /** @throws OsError: too few descriptors */
  constructor(options: GenerationOptions) {
    const { plan, listenerPlan, listeners, saved } = options;
    this.#options = options;
    this.plan = plan;
    this.listenerPlan = listenerPlan;
    this.#acceptSource = new AcceptSource(
      {
        accept: plan.config.accept,
        // Workers of one pool accept themselves, whatever brings the others their clients.
        workers: plan.sets.find(({ pool }) => pool === null)?.size ?? 0,
        slotOf: (index) => this.#slots[index] ?? null,
        listeners: (index) => listeners.forWorker(listenerPlan, index, plan.size),
      },
      saved?.intake,
    );
  }

  /** Starts the workers of these indexes; resolves when all that there are are ready. @throws StartError: they cannot work */
  async assemble(indexes: readonly number[]): Promise<void> {
    const added = indexes.map((index) => this.#add(index, this.#options.stats.takeSlot()));
    this.workers.push(...added);
    // If one cannot be started, all are stopped, also those whose turn would come.
    await this.#untilReady(this.workers.length, () => {
      for (const worker of added) worker.start();
    });
  }

  /** If clients are dispatched, that begins now; resolves when it has. @throws StartError: it cannot work */
  async open(): Promise<void> {
    if (this.#isEnding) throw new StartError(["it was stopped"]);
    if (!this.#acceptSource.isDispatched) return;
    const acceptor = this.#addAcceptor();
    await this.#untilReady("acceptor", () => acceptor.start());
  }

  /** No client is dispatched any more when this resolves: workers have been given by then all that they get. */
  async close(): Promise<void> {
    await this.#acceptor?.stop();
  }

  /** Resolves when all workers have answered a question behind their start. @throws StartError: they die of it */
  async prove(): Promise<void> {
    await this.#untilReady("proof", () => {
      for (const worker of this.workers) worker.prove();
    });
  }

  async #untilReady(count: number | "acceptor" | "proof", start: () => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // The first one may fail before the promise is awaited.
    promise.catch(() => {});
    this.#assembly = { count, resolve, reject };
    start();
    try {
      await promise;
    } finally {
      this.#assembly = null;
    }
  }

  /** Instead of `assemble`. */
  resume(snapshot: GenerationSnapshot): void {
    for (const saved of snapshot.workers) {
      this.#options.stats.keepSlot(saved.slot);
      const worker = this.#add(saved.index, saved.slot);
      this.workers.push(worker);
    }
    for (const [at, worker] of [...this.workers].entries()) worker.resume(snapshot.workers[at]!);
    if (snapshot.acceptor !== null) this.#addAcceptor().resume(snapshot.acceptor);
  }

  /** Null: a process is just ending; ask again in a moment. */
  snapshot(): GenerationSnapshot | null {
    const { number, size, sets, runAs } = this.plan;
    const acceptor = this.#acceptor === null ? null : this.#acceptor.snapshot();
    if (this.#acceptor !== null && acceptor === null) return null;
    const workers: WorkerSnapshot[] = [];
    for (const worker of this.workers) {
      const saved = worker.snapshot();
      if (saved === null) return null;
      workers.push(saved);
    }
    const intake = this.#acceptSource.snapshot();
    return { number, size, sets, workers, intake, acceptor, runAs };
  }

  get statuses(): ProcessStatus[] {
    const workers = this.workers.map((worker) => worker.status());
    return this.#acceptor === null ? workers : [...workers, this.#acceptor.status()];
  }

  send(message: ToWorker): void {
    for (const worker of this.workers) worker.send(message);
    if (message.type === "reopen_log") this.#acceptor?.reopenLog();
  }

  stop(): void {
    this.#isEnding = true;
    this.#abort("it was stopped");
    void this.#acceptor?.stop();
    for (const worker of [...this.workers]) worker.stop();
  }

  drain(timeoutMs: number): void {
    this.#isEnding = true;
    this.#abort("it was drained");
    const drain = (): void => {
      for (const worker of [...this.workers]) worker.drain(timeoutMs);
    };
    // The acceptor stops first: a worker that drains takes no client any more.
    if (this.#acceptor === null) drain();
    else void this.#acceptor.stop().then(drain);
  }

  tick(): void {
    this.#acceptor?.tick();
    for (const worker of this.workers) worker.tick();
  }

  #add(index: number, slot: number): WorkerSlot {
    const { plan, stats, log, events, nextBirth, retained } = this.#options;
    this.#slots[index] = slot;
    const worker = new WorkerSlot(
      {
        generation: plan,
        index,
        slot,
        acceptSource: () => this.#acceptSource.forWorker(index),
        addBlock: (wish) => stats.addBlock(slot, wish),
        nextBirth,
        retained,
      },
      {
        onReady: (ready) => {
          this.#onReady();
          if (this.#assembly?.count === "proof") ready.prove();
          events.onReady(ready);
        },
        onMessage: events.onMessage,
        onProven: (proven) => {
          this.#proven.add(proven);
          const isAll = this.workers.every((one) => this.#proven.has(one));
          if (this.#assembly?.count === "proof" && isAll) this.#assembly.resolve();
        },
        onDeath: (dead, earlyDeaths, reason) => {
          this.#proven.delete(dead);
          events.onWorkerDeath(dead);
          this.#onDeath(dead.name, earlyDeaths, reason);
        },
        onSocketEnd: events.onSocketEnd,
        onGone: (gone, clients) => {
          stats.releaseSlot(slot);
          this.workers.splice(this.workers.indexOf(gone), 1);
          events.onWorkerGone(gone, clients);
          this.#checkGone();
        },
      },
      log,
    );
    return worker;
  }

  #addAcceptor(): AcceptorSlot {
    const acceptor = new AcceptorSlot(
      this.plan,
      () => this.#acceptSource.forAcceptor(),
      {
        onReady: () => {
          if (this.#assembly?.count === "acceptor") this.#assembly.resolve();
        },
        onDeath: (earlyDeaths, reason) => this.#onDeath(AcceptorSlot.NAME, earlyDeaths, reason),
        onGone: () => {
          this.#acceptor = null;
          this.#checkGone();
        },
      },
      this.#options.log,
    );
    this.#acceptor = acceptor;
    return acceptor;
  }

  #checkGone(): void {
    if (this.workers.length > 0 || this.#acceptor !== null) return;
    this.#acceptSource.close();
    this.#options.events.onGone(this);
  }

  #onReady(): void {
    const count = this.#assembly?.count;
    const ready = this.workers.filter((worker) => worker.isServing).length;
    if (typeof count === "number" && ready >= count) this.#assembly?.resolve();
  }

  /** Later a dead worker is replaced whatever it died of; but a generation that never worked must not pretend to. */
  #onDeath(name: string, earlyDeaths: number, reason: string | null): void {
    if (this.#assembly === null) return;
    if (reason === null && earlyDeaths < START_DEATHS_MAX) return;
    const why = reason ?? `died ${earlyDeaths} times in a row right after its start`;
    this.#abort(`${name}: ${why}`);
    this.stop();
  }

  #abort(problem: string): void {
    this.#assembly?.reject(new StartError([problem]));
  }
}
