/**
 * The change of crew: how a reload, an upgrade and a change of the number of workers are done.
 *
 *   old crew  serving ─────────────────────────────────────┬─ hands its clients over ─▶ leaves
 *   new crew            starting ─▶ all ready, accepting ──┴─ adopts them ─▶ serving
 *                       └─ any failure: it is stopped, and the old one never noticed
 */
import type { Config } from "../../api/config.ts";
import type { FromWorker } from "../../api/control.ts";
import type { CrewResult } from "../../api/control-socket.ts";
import type { Logger } from "../../base/log.ts";
import type { ParcelRouter } from "../hand-over/parcel-router.ts";
import { giveSocketFiles } from "../sockets/listener-options.ts";
import type { ListenerPlan, Listeners } from "../sockets/listeners.ts";
import { StartError } from "../start-error.ts";
import type { Crew, CrewSnapshot } from "./crew.ts";
import type { CrewWorker } from "./crew-worker.ts";

export type Progress = (text: string) => void;

/** What the change needs of the supervisor. */
export interface ChangeHost {
  readonly log: Logger;
  readonly listeners: Listeners;
  readonly router: ParcelRouter;
  /**
   * A crew that is not started yet; the supervisor stops it with all others.
   * @param saved what the program before this one left of it. @throws OsError, StartError
   */
  createCrew(config: Config, size: number, listenerPlan: ListenerPlan, saved?: CrewSnapshot): Crew;
}

/** When no client has moved for so long, the asker is not kept waiting for those that are busy; they go on moving afterwards. */
const SETTLE_MS = 5_000;

/**
 * Starts the crew that shall serve `config`. The old one serves on, whatever happens here.
 * @throws StartError with every reason; nothing is left of the attempt then
 */
export async function startCrew(
  host: ChangeHost,
  config: Config,
  size: number,
  progress: Progress,
): Promise<Crew> {
  const { listeners } = host;
  const before = listeners.snapshot();
  const plan = await listeners.prepare(config, size);
  let crew: Crew | null = null;
  try {
    crew = host.createCrew(config, size, plan);
    // New sockets on an address that is served already get clients at once, so they come last: when it is proved that
    // such workers work.
    const first = Math.min(listeners.width(plan), size);
    progress(`starting ${size} ${size === 1 ? "worker" : "workers"}`);
    await crew.assemble(first);
    if (first < size) {
      listeners.widen(plan, size);
      await crew.assemble(size);
    }
    giveSocketFiles(listeners.files(plan), crew.plan.runAs);
    await crew.open();
    return crew;
  } catch (error) {
    crew?.stop();
    listeners.restore(before);
    throw error instanceof StartError ? error : new StartError([(error as Error).message]);
  }
}

/** Watches one crew hand its clients over to another. */
export class HandOver {
  readonly #host: ChangeHost;
  readonly #from: Crew;
  readonly #to: Crew;
  readonly #pending = new Set<CrewWorker>();
  readonly #startedAtMs = performance.now();
  readonly #lostBefore: number;
  readonly #settled = Promise.withResolvers<void>();
  #moved = 0;

  /** Starts at once. */
  constructor(host: ChangeHost, from: Crew, to: Crew) {
    this.#host = host;
    this.#from = from;
    this.#to = to;
    this.#lostBefore = host.router.lost;
    const pools = to.plan.config.pools.map(({ name }) => name);
    const readable = to.workers[0]?.parcelFormats ?? [];
    const { drainTimeoutMs } = from.plan.config;
    for (const worker of [...from.workers]) {
      if (!worker.isServing) {
        worker.stop();
        continue;
      }
      this.#pending.add(worker);
      const formats = worker.parcelFormats.filter((format) => readable.includes(format));
      const format = formats.length === 0 ? null : Math.max(...formats);
      worker.handOver(pools, format, drainTimeoutMs);
    }
    this.#checkSettled();
  }

  onMessage(worker: CrewWorker, message: FromWorker): void {
    if (message.type !== "handed_over" || !this.#pending.delete(worker)) return;
    this.#moved += message.moved;
    this.#checkSettled();
  }

  /** Also one that said nothing: it died. */
  onGone(worker: CrewWorker): void {
    if (this.#pending.delete(worker)) this.#checkSettled();
  }

  /** Resolves when every client has moved that can, or none has for a moment; the rest goes on. */
  async settle(): Promise<CrewResult> {
    const { router } = this.#host;
    let passed = router.passed;
    const timer = setInterval(() => {
      if (router.passed === passed) this.#settled.resolve();
      passed = router.passed;
    }, SETTLE_MS);
    await this.#settled.promise;
    clearInterval(timer);
    return {
      crew: this.#to.plan.number,
      workers: this.#to.workers.length,
      moved: this.#moved,
      left: this.#from.workers.reduce((sum, { clients }) => sum + clients, 0),
      lost: this.#host.router.lost - this.#lostBefore,
      tookMs: Math.round(performance.now() - this.#startedAtMs),
    };
  }

  #checkSettled(): void {
    if (this.#pending.size > 0) return;
    void this.#host.router.whenIdle().then(() => this.#settled.resolve());
  }
}
