/** Every generation there is: the one that serves, those that leave, and one that is about to take over. */

import type { Config } from "../../api/config.ts";
import type { FromWorker, ToWorker } from "../../api/control.ts";
import type { GenerationResult, ProcessStatus } from "../../api/control-socket.ts";
import type { MigrationOrder } from "../../api/migration.ts";
import type { LiveValue, SteeringOrder } from "../../api/steering.ts";
import type { RetainedMessage } from "../../api/worker-bus.ts";
import type { WorkerSet } from "../../api/worker-set.ts";
import type { Logger } from "../../base/log.ts";
import { withLive } from "../../config/live.ts";
import { oneSet, workersIn } from "../../config/worker-sets.ts";
import type { EventRing } from "../events.ts";
import { PacketRouter } from "../hand-over/packet-router.ts";
import { Inspector } from "../inspection/inspector.ts";
import type { KeyStatistics } from "../inspection/key-statistics.ts";
import type { SlowLog } from "../inspection/slow-log.ts";
import type { Program } from "../program/program.ts";
import type { ListenerPlan, Listeners } from "../sockets/listeners.ts";
import { StartError } from "../start-error.ts";
import type { StatsStore } from "../stats/stats-store.ts";
import { resolveRunAs } from "../system/run-as.ts";
import { BusRelay, type Show } from "./bus-relay.ts";
import { Generation, type GenerationSnapshot } from "./generation.ts";
import {
  type ChangeHost,
  GenerationHandOver,
  type Progress,
  startGeneration,
  workersAtOnce,
} from "./generation-change.ts";
import { SetRebalancer } from "./rebalancer.ts";
import type { WorkerSlot } from "./worker-slot.ts";

export interface GenerationsOptions {
  readonly listeners: Listeners;
  readonly stats: StatsStore;
  readonly isSilent: boolean;
  readonly log: Logger;
  readonly steering: WorkerSteering;
  readonly migrations: WorkerMigrations;
  readonly events: Pick<EventRing, "add">;
  readonly slowLog: SlowLog;
  readonly keys: Pick<KeyStatistics, "add">;
  readonly show: Show;
  /** The last worker of all has left. */
  onEmpty(): void;
}

export interface GenerationsSnapshot {
  readonly births: number;
  readonly numbers: number;
  readonly serving: GenerationSnapshot;
  readonly leaving: readonly GenerationSnapshot[];
  readonly listenerPlan: ListenerPlan;
  /** What is retained on the worker bus; absent: an older program, which retained nothing. */
  readonly notices?: readonly RetainedMessage[];
}

/** What workers follow besides their configuration. */
export interface WorkerSteering {
  /** All that holds. */
  readonly order: SteeringOrder;
  /** What is set beside the configuration. */
  readonly settings: readonly LiveValue[];
  onMessage(worker: WorkerSlot, message: FromWorker): void;
  onGone(worker: WorkerSlot): void;
}

/** Where keys are, as workers go by it. */
interface WorkerMigrations {
  readonly order: MigrationOrder;
  onMessage(worker: WorkerSlot, message: FromWorker): void;
  onGone(worker: WorkerSlot): void;
}

/** A session that takes longer to come to rest is left where it is. */
const REBALANCE_TIMEOUT_MS = 1_000;

export class Generations {
  readonly #options: GenerationsOptions;
  readonly #all = new Set<Generation>();
  readonly #router: PacketRouter;
  readonly #bus: BusRelay = new BusRelay(
    () => this.#workers,
    (pool, table) => this.#options.show(pool, table),
  );
  /** What operators look at. */
  readonly inspector: Inspector = new Inspector(this.#bus);
  readonly #rebalancer = new SetRebalancer<WorkerSlot>();
  #serving: Generation | null = null;
  #handOver: GenerationHandOver | null = null;
  #births = 0;
  #numbers = 0;
  #isChanging = false;
  /** Nothing is started any more. */
  #isClosed = false;
  /** Who is evening out right now, and who waits for its end. */
  #mover: WorkerSlot | null = null;
  #onMoved: (() => void)[] = [];

  constructor(options: GenerationsOptions) {
    this.#options = options;
    this.#router = new PacketRouter(options.log, () => this.#serving?.workers ?? []);
  }

  get serving(): Generation | null {
    return this.#serving;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** Packets are on their way. */
  get isRouting(): boolean {
    return !this.#router.isIdle;
  }

  /** Workers that follow orders now. */
  get steerable(): WorkerSlot[] {
    return this.#workers.filter(({ isSteerable }) => isSteerable);
  }

  /** All that have a process, of all generations. */
  get living(): WorkerSlot[] {
    return this.#workers.filter(({ isThere }) => isThere);
  }

  /** One generation serves, no other is there, and no client is on its way. */
  get isAlone(): boolean {
    const isMoving = this.#isChanging || this.#mover !== null || this.isRouting;
    return this.#all.size === 1 && this.#serving !== null && !isMoving;
  }

  get statuses(): ProcessStatus[] {
    return [...this.#all].flatMap((generation) => generation.statuses);
  }

  /**
   * Has `config` served by a new generation of `program`; the first one, or one that takes over from the generation that serves.
   * @throws StartError with every reason: then everything is as it was
   */
  async change(
    config: Config,
    sets: readonly WorkerSet[],
    program: Program,
    progress: Progress,
  ): Promise<GenerationResult> {
    const size = workersIn(sets);
    this.#isChanging = true;
    try {
      await this.#movesDone();
      const host = this.#host(program);
      const startedAtMs = performance.now();
      const atOnce = this.#serving === null ? size : workersAtOnce();
      const generation = await startGeneration(host, config, sets, atOnce, progress);
      const old = this.#serving;
      this.#serving = generation;
      this.#router.pump();
      const tookMs = Math.round(performance.now() - startedAtMs);
      if (old === null || old.workers.length === 0) {
        this.#options.listeners.settle(generation.listenerPlan);
        const { number } = generation.plan;
        return {
          crew: number,
          generation: number,
          workers: size,
          moved: 0,
          left: 0,
          lost: 0,
          tookMs,
        };
      }
      progress(
        `${size === 1 ? "the new worker is" : "all new workers are"} ready; handing clients over`,
      );
      await old.close();
      this.#handOver = new GenerationHandOver(host, old, generation, workersAtOnce());
      const result = await this.#handOver.settle();
      this.#options.listeners.settle(generation.listenerPlan);
      return { ...result, tookMs: result.tookMs + tookMs };
    } finally {
      this.#isChanging = false;
    }
  }

  /** Called once a second. */
  tick(): void {
    for (const generation of this.#all) generation.tick();
    this.#rebalance();
  }

  send(message: ToWorker): void {
    for (const generation of this.#all) generation.send(message);
  }

  /** From now on no generation is created. */
  close(): void {
    this.#isClosed = true;
  }

  stop(): void {
    for (const generation of [...this.#all]) generation.stop();
  }

  drain(timeoutMs: number): void {
    for (const generation of [...this.#all]) generation.drain(timeoutMs);
  }

  /** Null: a process is just ending, clients are moving to even out, or packets are on their way; ask again in a moment. */
  snapshot(): GenerationsSnapshot | null {
    const serving = this.#serving;
    // A worker takes one order at a time, and the program that follows would give it another while this one lasts.
    if (serving === null || this.#mover !== null || this.isRouting) return null;
    const saved = serving.snapshot();
    const leaving = [...this.#all].flatMap((generation) =>
      generation === serving ? [] : [generation.snapshot()],
    );
    const whole = leaving.filter((snapshot) => snapshot !== null);
    if (saved === null || whole.length < leaving.length) return null;
    return {
      births: this.#births,
      numbers: this.#numbers,
      serving: saved,
      leaving: whole,
      listenerPlan: serving.listenerPlan,
      notices: this.#bus.retained,
    };
  }

  resume(snapshot: GenerationsSnapshot, config: Config, program: Program): void {
    this.#births = snapshot.births;
    const host = this.#host(program);
    for (const saved of [...snapshot.leaving, snapshot.serving]) {
      this.#numbers = saved.number - 1;
      const sets = saved.sets ?? oneSet(config, saved.size);
      const generation = host.createGeneration(config, sets, snapshot.listenerPlan, saved);
      if (saved === snapshot.serving) this.#serving = generation;
      generation.resume(saved);
    }
    this.#numbers = snapshot.numbers;
    this.#options.stats.resetFreeSlots();
    this.#bus.resume(snapshot.notices);
  }

  get #workers(): WorkerSlot[] {
    return [...this.#all].flatMap((generation) => generation.workers);
  }

  #host(program: Program): ChangeHost {
    const { log, listeners } = this.#options;
    return {
      log,
      listeners,
      router: this.#router,
      createGeneration: (config, sets, listenerPlan, saved) => {
        if (this.#isClosed) throw new StartError(["the proxy is stopping"]);
        const generation = this.#createGeneration(
          config,
          sets,
          program,
          listenerPlan,
          saved ?? null,
        );
        this.#all.add(generation);
        return generation;
      },
    };
  }

  #createGeneration(
    config: Config,
    sets: readonly WorkerSet[],
    program: Program,
    listenerPlan: ListenerPlan,
    saved: GenerationSnapshot | null,
  ): Generation {
    const { listeners, stats, isSilent, log, onEmpty, steering, migrations } = this.#options;
    const size = workersIn(sets);
    const runAs = saved === null ? resolveRunAs(config) : saved.runAs;
    // What a program before this one has begun goes on with the memory that its workers have.
    const memory = saved === null ? stats.prepare(config, size) : stats.snapshot();
    this.#numbers += 1;
    const number = this.#numbers;
    return new Generation({
      plan: {
        ...{ number, size, sets, config, program, memory, isSilent, runAs },
        steering: () => steering.order,
        migration: () => migrations.order,
        running: () => withLive(config, steering.settings),
      },
      listenerPlan,
      listeners,
      stats,
      saved,
      nextBirth: () => this.#births++,
      retained: () => this.#bus.retained,
      log,
      events: {
        onReady: () => this.#router.pump(),
        onMessage: (worker, message) => this.#onMessage(worker, message),
        onSocketEnd: (worker, { ours, theirs }) => {
          this.#router.onSocketEnd(worker, ours, theirs);
          if (worker === this.#mover) this.#finishMove();
        },
        onWorkerDeath: (worker) => {
          this.#bus.onGone(worker);
          steering.onGone(worker);
          migrations.onGone(worker);
        },
        onWorkerGone: (worker, clients) => {
          this.#bus.onGone(worker);
          steering.onGone(worker);
          migrations.onGone(worker);
          this.#handOver?.onGone(worker, clients);
        },
        onGone: (generation) => {
          this.#all.delete(generation);
          if (this.isEmpty) onEmpty();
        },
      },
    });
  }

  #onMessage(worker: WorkerSlot, message: FromWorker): void {
    this.#router.onMessage(worker, message);
    this.#bus.onMessage(worker, message);
    this.#options.steering.onMessage(worker, message);
    this.#options.migrations.onMessage(worker, message);
    if (message.type === "event") {
      this.#options.events.add(worker.name, message.level, message.text, message.event);
    }
    if (message.type === "slow") {
      const { requests, missed, nowMs: workerNowMs } = message;
      this.#options.slowLog.add(worker.name, requests, { missed, workerNowMs });
    }
    if (message.type === "keys") this.#options.keys.add(message.report);
    if (message.type !== "handed_over") return;
    if (worker !== this.#mover) {
      this.#handOver?.onMessage(worker, message);
      return;
    }
    if (message.moved === 0) this.#rebalancer.onNothingMoved(worker);
    else
      this.#options.log.info("clients were moved to another worker", {
        from: worker.name,
        clients: message.moved,
      });
    void this.#router.whenIdle().then(() => this.#finishMove());
  }

  #rebalance(): void {
    const generation = this.#serving;
    if (generation === null || this.#isChanging || this.#mover !== null || this.isRouting) return;
    if (!generation.plan.running().rebalance) return;
    const move = this.#rebalancer.look(generation.workers.filter((worker) => worker.isServing));
    if (move === null) return;
    const { from, to, sessions } = move;
    const formats = from.packetFormats.filter((format) => to.packetFormats.includes(format));
    this.#mover = from;
    this.#router.direct(from, to);
    from.send({
      type: "hand_over",
      sessions,
      pools: generation.plan.config.pools.map(({ name }) => name),
      format: formats.length === 0 ? null : Math.max(...formats),
      timeoutMs: REBALANCE_TIMEOUT_MS,
    });
  }

  #finishMove(): void {
    if (this.#mover !== null) this.#router.direct(this.#mover, null);
    this.#mover = null;
    for (const resolve of this.#onMoved.splice(0)) resolve();
  }

  /** One order at a time: a worker that is evening out cannot be told to leave. */
  #movesDone(): Promise<void> {
    if (this.#mover === null) return Promise.resolve();
    return new Promise((resolve) => this.#onMoved.push(resolve));
  }
}
