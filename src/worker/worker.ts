/**
 * One worker process: its line to the supervisor on one side, the data plane on the other.
 *
 * A worker whose supervisor is gone finishes what is in flight and leaves: it never lives on as an orphan.
 */

import type { Config } from "../api/config.ts";
import {
  CONTROL_FD,
  type FromWorker,
  type ListenerGrant,
  PACKET_FORMATS,
  STATS_FD,
  type ToWorker,
} from "../api/control.ts";
import type { EngineStatus } from "../api/control-socket.ts";
import { type MigrationOrder, NO_MIGRATION } from "../api/migration.ts";
import type { KeyMoving, MovingKeys } from "../api/protocol-module.ts";
import type { StatsLayout } from "../api/stats.ts";
import { type Lever, leversOf, NO_STEERING } from "../api/steering.ts";
import type { Upstream } from "../api/upstream.ts";
import type { WorkerBus } from "../api/worker-bus.ts";
import type { WorkerSet } from "../api/worker-set.ts";
import { exitOnFault } from "../base/fatal.ts";
import type { Logger } from "../base/log.ts";
import { SUPERVISOR_SIGNALS } from "../base/supervisor-signals.ts";
import { VERSION } from "../base/version.ts";
import { oneSet } from "../config/worker-sets.ts";
import { type ControlChannel, openControlChannel } from "../engine/bun/control-channel.ts";
import { resetGauges, slotRegion } from "../metrics/layout.ts";
import { mapStatsMemory } from "../metrics/stats-memory.ts";
import { moduleInStack } from "../modules/module-in-stack.ts";
import { assumeIdentity } from "../os/identity.ts";
import { openProcessLog } from "../os/log-output.ts";
import { hearParentDeath, setProcessName } from "../os/process.ts";
import { shortenTimeSlice } from "../os/time-slice.ts";
import { BusClient } from "./bus-client.ts";
import { ClientIds } from "./client-ids.ts";
import { WorkerMetrics } from "./metrics.ts";
import { pinWorker } from "./pin.ts";
import { WorkerSteering } from "./steering.ts";
import { tellEvents } from "./worker-events.ts";

/** What serves the clients. */
export interface DataPlane {
  /** Resolves when the servers of all pools are known, as far as that can be waited for. */
  serversKnown(): Promise<void>;
  /**
   * Starts accepting, on its own sockets or what the acceptor process gives it. Throws with a clear message when a
   * descriptor is unusable.
   */
  listen(grants: readonly ListenerGrant[], options: ListenOptions): void;
  /**
   * Accepts no client any more and finishes what is in flight; `done` gets how many clients were cut off at the time-out. Called
   * again with a time-out that ends earlier, it replaces the one before.
   */
  drain(timeoutMs: number, done: (closed: number) => void): void;
  /** Gives client connections away. An order that comes while another lasts is done after that. */
  handOver(order: HandOverOrder, events: HandOverEvents): void;
  /** Takes so many client connections off HANDOVER_FD; `done` gets what became of them, in one or several parts. */
  adopt(packets: number, done: (counts: AdoptionCounts) => void): void;
  readonly clients: number;
  /** For `proxy status`; absent: it has no engine. */
  readonly engineStatus?: EngineStatus;
  /** Values of the configuration have changed in place. */
  onSettings(): void;
  /** Why it cannot do as one of these levers says; null: it can. */
  leversProblem(levers: readonly Lever[]): LeverProblem | null;
  /** Those that hold from now on; each time all of them. */
  setLevers(levers: readonly Lever[]): void;
  readonly migrations: WorkerMigrations;
  close(): void;
}

export interface WorkerMigrations {
  /** Has servers that keys are about to go to be there, too. To be called before `follow`. */
  seeAhead(): void;
  /** Where keys are from now on; `done` is called when what is held is quiet, unless another order has come by then. */
  follow(order: MigrationOrder, done: () => void): void;
  /** What the sweeper works on; null: nothing in that pool moves. */
  poolOf(name: string): MigratingPool | null;
  /** A pool whose keys do not move now, and which servers it has; null: its keys never do. */
  restingPool(name: string): RestingPool | null;
}

export interface RestingPool {
  readonly keyMoving: KeyMoving;
  readonly servers: readonly Upstream[];
}

export interface MigratingPool {
  readonly keyMoving: KeyMoving;
  /** What moves or is about to. */
  readonly planned: MovingKeys;
}

/** What accepting takes besides listening sockets, by the accept mode. */
export type ListenOptions = Pick<Start, "dispatch" | "turns">;

/** What became of packets; see `adopted` in FromWorker. */
export interface AdoptionCounts {
  readonly adopted: number;
  readonly failed: number;
  readonly others: number;
}

export type HandOverOrder = Extract<ToWorker, { readonly type: "hand_over" }>;

export interface HandOverEvents {
  /** So many more packets are on HANDOVER_FD. */
  onPackets(count: number): void;
  /** The end: `moved` are gone, `left` clients are still here. */
  onDone(moved: number, left: number): void;
}

export interface DataPlaneOptions {
  readonly slot: number;
  readonly clientIds: ClientIds;
  /** Worker processes in all. */
  readonly workers: number;
  /** That it belongs to. */
  readonly set: WorkerSet;
  readonly config: Config;
  readonly stats: StatsLayout;
  /** This slot's region of the statistics memory. */
  readonly counters: Float64Array;
  readonly log: Logger;
  readonly bus: WorkerBus;
  /** To the supervisor. */
  readonly send: (message: FromWorker) => void;
  readonly metrics: WorkerMetrics;
}

/** Why a worker cannot do as a lever says. */
export interface LeverProblem {
  readonly text: string;
  /** It has no such server, and other workers have other pools, see `steered` in FromWorker. */
  readonly isElsewhere: boolean;
}

export type CreateDataPlane = (options: DataPlaneOptions) => Promise<DataPlane>;

type Start = Extract<ToWorker, { readonly type: "start" }>;

/** From the kernel, when the supervisor dies. No other sender has a use for it. */
const ORPHAN_SIGNAL = "SIGURG";
/** After its own time-out a drain has this long to report before the process ends anyway. */
const DRAIN_GRACE_MS = 1_000;

/** Runs until the supervisor says so, or is gone. Ends the process with 0, or with 1 when it cannot serve. */
export function startWorker(createDataPlane: CreateDataPlane): void {
  const worker = new Worker(createDataPlane);
  for (const signal of SUPERVISOR_SIGNALS) process.on(signal, () => {});
  process.on("SIGTERM", () => worker.onTerminate());
  process.on(ORPHAN_SIGNAL, () => worker.onOrphaned());
  worker.connect();
}

class Worker {
  readonly #createDataPlane: CreateDataPlane;
  readonly #supervisorPid = process.ppid;
  #channel: ControlChannel<FromWorker> | null = null;
  #dataPlane: DataPlane | null = null;
  #bus: BusClient | null = null;
  #clientIds: ClientIds | null = null;
  #metrics: WorkerMetrics | null = null;
  #log: Logger | null = null;
  #steering: WorkerSteering | null = null;
  /** The latest. */
  #migration: MigrationOrder = NO_MIGRATION;
  /** By performance.now(). */
  #drainByMs: number = Number.POSITIVE_INFINITY;
  #isOrphaned = false;

  constructor(createDataPlane: CreateDataPlane) {
    this.#createDataPlane = createDataPlane;
  }

  connect(): void {
    this.#channel = openControlChannel<ToWorker, FromWorker>(CONTROL_FD, {
      onMessage: (message) => this.#onMessage(message),
      onClose: () => this.onOrphaned(),
    });
  }

  /** A user or program wants this very worker away: the supervisor replaces it at once. */
  onTerminate(): void {
    if (process.ppid !== this.#supervisorPid) this.onOrphaned();
    else this.#stop();
  }

  #onMessage(message: ToWorker): void {
    switch (message.type) {
      case "start":
        this.#start(message).catch((error: unknown) => this.#fail(error));
        break;
      case "drain":
        this.#drain(message.timeoutMs);
        break;
      case "hand_over":
        this.#handOver(message);
        break;
      case "adopt":
        this.#dataPlane?.adopt(message.parcels, (counts) =>
          this.#send({ type: "adopted", ...counts }),
        );
        break;
      case "stop":
        this.#stop();
        break;
      case "client_ids":
        this.#clientIds?.add(message.birth);
        break;
      case "block":
        this.#metrics?.onBlock(message);
        break;
      case "reopen_log":
        this.#log?.reopen();
        break;
      case "log_level":
        this.#log?.setLevel(message.level);
        break;
      case "steer":
        this.#steer(message);
        break;
      case "migrate":
        this.#migrate(message.order);
        break;
      case "ping":
        this.#metrics?.askAgain();
        this.#send({ type: "pong", id: message.id, clients: this.#dataPlane?.clients ?? 0 });
        break;
      default:
        this.#bus?.onMessage(message);
    }
  }

  async #start(start: Start): Promise<void> {
    setProcessName(`proxy worker ${start.slot}`);
    this.#note(start.migration ?? NO_MIGRATION);
    const steering = new WorkerSteering(start.config, start.steering ?? NO_STEERING);
    this.#steering = steering;
    const log = openProcessLog({
      ...start.config.log,
      process: `worker/${start.slot}`,
      owner: start.runAs ?? null,
      hear: tellEvents((message) => this.#send(message), performance.now.bind(performance)),
    });
    exitOnFault(log, (stack) => {
      const module = moduleInStack(stack, start.config.modules);
      return module === null ? "" : `module ${module.name} did not catch `;
    });
    this.#log = log;
    const bus = new BusClient(start.birth, start.notices ?? [], (message) => this.#send(message));
    this.#bus = bus;
    const clientIds = new ClientIds(start.birth, () => this.#send({ type: "want_client_ids" }));
    this.#clientIds = clientIds;
    const counters = slotRegion(mapStatsMemory(STATS_FD, start.stats), start.stats, start.slot);
    resetGauges(counters, start.stats);
    const metrics = new WorkerMetrics({
      layout: start.stats,
      region: counters,
      send: (message) => this.#send(message),
    });
    this.#metrics = metrics;
    if (start.runAs !== undefined) assumeIdentity(start.runAs);
    if (!hearParentDeath(ORPHAN_SIGNAL, this.#supervisorPid)) this.onOrphaned();
    const set = start.set ?? oneSet(start.config, start.workers)[0]!;
    pinWorker(start.config, set, start.index, log);
    const dataPlane = await this.#createDataPlane({
      slot: start.slot,
      clientIds,
      workers: start.workers,
      set,
      config: start.config,
      stats: start.stats,
      counters,
      log,
      bus,
      send: (message) => this.#send(message),
      metrics,
    });
    bus.open();
    await dataPlane.serversKnown();
    dataPlane.setLevers(leversOf(start.steering ?? NO_STEERING));
    // One that has come while it started, before any client does.
    this.#follow(dataPlane);
    dataPlane.listen(start.listeners, start);
    this.#dataPlane = dataPlane;
    // Not before: until now it held up those that serve.
    shortenTimeSlice();
    this.#send({
      type: "ready",
      pid: process.pid,
      version: VERSION,
      parcelFormats: PACKET_FORMATS,
      ...(dataPlane.engineStatus === undefined ? {} : { engine: dataPlane.engineStatus }),
      isSteerable: true,
    });
  }

  #steer({ order, isFinal }: Extract<ToWorker, { readonly type: "steer" }>): void {
    const { revision } = order;
    const levers = leversOf(order);
    const unknown = this.#steering?.problemOf(order) ?? null;
    const found = unknown === null ? (this.#dataPlane?.leversProblem(levers) ?? null) : null;
    const problem = unknown ?? found?.text ?? null;
    const isElsewhere = found?.isElsewhere === true;
    if (isFinal && this.#steering?.follow(order) === true) {
      this.#log?.setLevel(this.#steering.config.log.level);
      this.#dataPlane?.onSettings();
      this.#dataPlane?.setLevers(levers);
    }
    this.#send({
      ...{ type: "steered", revision, isFinal, problem: isFinal ? null : problem },
      ...(isElsewhere && !isFinal ? { isElsewhere } : {}),
    });
  }

  #migrate(order: MigrationOrder): void {
    this.#note(order);
    if (this.#dataPlane !== null) this.#follow(this.#dataPlane);
  }

  /** An order that was sent later is never overtaken by one that came with the start. */
  #note(order: MigrationOrder): void {
    if (order.revision > this.#migration.revision) this.#migration = order;
  }

  #follow(dataPlane: DataPlane): void {
    const { revision } = this.#migration;
    dataPlane.migrations.follow(this.#migration, () => this.#send({ type: "migrated", revision }));
  }

  get #drainTimeoutMs(): number {
    return this.#steering?.config.drainTimeoutMs ?? 0;
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#log?.debug(`cannot start: ${error instanceof Error ? error.stack : message}`);
    this.#send({ type: "failed", message });
    process.exit(1);
  }

  /** Told by the end of its channel, and by a signal. */
  onOrphaned(): void {
    if (this.#isOrphaned) return;
    this.#isOrphaned = true;
    this.#log?.warn("the supervisor is gone: draining", { timeoutMs: this.#drainTimeoutMs });
    this.#drain(this.#drainTimeoutMs);
  }

  #handOver(order: HandOverOrder): void {
    this.#dataPlane?.handOver(order, {
      onPackets: (count) => this.#send({ type: "parcels", count }),
      onDone: (moved, left) => {
        this.#log?.debug("handed over", { moved, left });
        this.#send({ type: "handed_over", moved, left });
        if (order.sessions === null) this.#drain(this.#drainTimeoutMs);
      },
    });
  }

  /** Of several orders the one that ends first holds. */
  #drain(timeoutMs: number): void {
    const byMs = performance.now() + timeoutMs;
    if (byMs >= this.#drainByMs) return;
    this.#drainByMs = byMs;
    if (this.#dataPlane === null) process.exit(0);
    setTimeout(() => process.exit(0), timeoutMs + DRAIN_GRACE_MS);
    this.#dataPlane.drain(timeoutMs, (closed) => {
      this.#send({ type: "drained", closed });
      this.#stop();
    });
  }

  #stop(): void {
    this.#dataPlane?.close();
    process.exit(0);
  }

  #send(message: FromWorker): void {
    this.#channel?.send(message);
  }
}
