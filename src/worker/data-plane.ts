/** Everything in a worker that touches traffic: one PoolPlane per pool, and what they share. */

import type { PoolConfig } from "../api/config.ts";
import { GROUP_FORMAT, type ListenerGrant } from "../api/control.ts";
import type { EngineStatus } from "../api/control-socket.ts";
import type { Engine } from "../api/engine.ts";
import { COLLECTION_TIMES, LOOP_TIMES } from "../api/latency.ts";
import type { Lever } from "../api/steering.ts";
import { busOfPool } from "../api/worker-bus.ts";
import { assert } from "../base/assert.ts";
import { Deadlines } from "../base/deadlines.ts";
import {
  DescriptorBudget,
  type DescriptorPlan,
  planDescriptors,
} from "../base/descriptor-budget.ts";
import {
  ADOPT_WAIT_MS_MAX,
  PARTIAL_REPLIES_BYTES_MAX,
  PARTIAL_REPLIES_SHARE,
} from "../base/limits.ts";
import { LogLimit } from "../base/log-limit.ts";
import { every } from "../base/schedule.ts";
import { Turn } from "../base/turn.ts";
import { ClientMemory, type MemoryHolder } from "../client/client-memory.ts";
import { RequestTape } from "../client/request-tape.ts";
import type { Session } from "../client/session.ts";
import { poolsFor } from "../config/worker-sets.ts";
import { initHashes } from "../hash/hash-function.ts";
import { observe } from "../metrics/histogram.ts";
import { importModules, type WorkerModules } from "../modules/worker-modules.ts";
import { needsOf } from "../server/descriptor-needs.ts";
import { PartialReplies } from "../server/partial-replies.ts";
import { ownZone } from "../topology/zone.ts";
import { Acceptance } from "./acceptance.ts";
import { adoptReceived } from "./adopt-received.ts";
import { Adoption } from "./adoption.ts";
import { clientBudget } from "./client-budget.ts";
import { ClientGauges } from "./client-gauges.ts";
import { HandOver } from "./hand-over.ts";
import { candidatesOf } from "./hand-over-candidates.ts";
import { answerInspections } from "./inspection/inspection.ts";
import { packetsUnderway } from "./packet-line.ts";
import { type PlaneProcess, thisProcess } from "./plane-process.ts";
import { PoolGroup } from "./pool-group.ts";
import { PoolMigrations } from "./pool-migrations.ts";
import { PoolPlane } from "./pool-plane.ts";
import { RECLAIM_STEP_MS, Reclaimer } from "./reclaim.ts";
import { RefusedClients } from "./refused-clients.ts";
import { serversKnown } from "./servers-known.ts";
import { SlowReports } from "./slow-reports.ts";
import type {
  AdoptionCounts,
  DataPlane,
  DataPlaneOptions,
  HandOverEvents,
  HandOverOrder,
  LeverProblem,
  ListenOptions,
} from "./worker.ts";
import { WorkerLevers } from "./worker-levers.ts";

/** Builds what serves the configuration in `options`. */
export async function createDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  await initHashes();
  const modules = await importModules(options.config.modules);
  return new WorkerDataPlane(options, modules, thisProcess(options.config, options.log));
}

export class WorkerDataPlane implements DataPlane {
  readonly options: DataPlaneOptions;
  private readonly modules: WorkerModules;
  private readonly process: PlaneProcess;
  readonly pools: Map<string, PoolPlane> = new Map();
  readonly engine: Engine;
  private readonly deadlines: Deadlines;
  private readonly stopReclaiming: () => void;
  private readonly plan: DescriptorPlan;
  private readonly descriptors: DescriptorBudget;
  private readonly refusedClients: RefusedClients;
  private readonly logLimit = new LogLimit();
  private readonly tape = new RequestTape();
  private readonly slowReports: SlowReports;
  readonly partialReplies: PartialReplies;
  readonly memory: ClientMemory;
  private onAllGone: (() => void) | null = null;
  private cancelDrain: () => void = () => {};
  private outgoing: HandOver | null = null;
  /** What is to be handed over after `outgoing`. */
  private readonly orders: (() => void)[] = [];
  private readonly adoption: Adoption;
  private readonly acceptance: Acceptance;
  private readonly levers: WorkerLevers;
  private readonly gauges: ClientGauges;

  readonly engineStatus: EngineStatus;
  readonly migrations: PoolMigrations;

  /** To be made when `initHashes` is done. */
  constructor(options: DataPlaneOptions, modules: WorkerModules, process: PlaneProcess) {
    const { engine, openFiles } = process;
    this.engineStatus = { name: engine.name, reason: process.reason };
    this.process = process;
    this.migrations = new PoolMigrations(this.pools, engine.timer);
    this.options = options;
    this.modules = modules;
    this.engine = engine;
    this.deadlines = new Deadlines(engine.nowMs, engine.timer);
    const { counters, slot, stats, send } = options;
    this.gauges = new ClientGauges(stats, counters, slot);
    this.refusedClients = new RefusedClients({
      schedule: engine.timer,
      hasRoom: () => this.descriptors.hasRoomToLinger,
      onGone: () => this.checkGone(),
    });
    const turn = new Turn(engine);
    const budget = clientBudget(options.config, options.workers, options.set, process.usableMemory);
    this.partialReplies = new PartialReplies(() =>
      Math.min(PARTIAL_REPLIES_BYTES_MAX, PARTIAL_REPLIES_SHARE * budget()),
    );
    const pauses = options.metrics.open(COLLECTION_TIMES, {}).histogram("pause_us");
    const reclaimer = new Reclaimer(
      () => {
        const startedMs = engine.nowMs();
        process.collect();
        observe(pauses.values, pauses.base, Math.floor((engine.nowMs() - startedMs) * 1000));
      },
      () => process.bufferBytes(),
    );
    this.memory = new ClientMemory({
      ...{ turn, budget },
      holders: () => this.holders(),
      // When nothing on the stack refers to it any more.
      onGarbage: () => void engine.timer(0, () => reclaimer.hurry(engine.nowMs())),
    });
    const turnTimes = options.metrics.open(LOOP_TIMES, {}).histogram("turn_us");
    turn.onTook = (tookMs) => observe(turnTimes.values, turnTimes.base, Math.floor(tookMs * 1000));
    this.slowReports = new SlowReports({ schedule: engine.timer, nowMs: () => turn.nowMs, send });
    const pools = poolsFor(options.config, options.set);
    this.plan = planDescriptors(openFiles, needsOf(pools));
    this.descriptors = new DescriptorBudget(
      this.plan,
      () => this.clients + this.refusedClients.size,
    );
    // Pools that trees of routes lead to are there before those that have the trees.
    const perServer = new Map(pools.map((pool, index) => [pool, this.plan.perServer[index]!]));
    const [routed = [], others = []] = [true, false].map((isRouted) =>
      pools.filter(({ route }) => (route != null) === isRouted),
    );
    for (const pool of [...others, ...routed]) this.addPool(pool, perServer.get(pool)!, turn);
    this.levers = new WorkerLevers(options.log, this.pools);
    this.acceptance = new Acceptance({
      accept: options.config.accept,
      set: options.set,
      slot,
      engine: this.engine,
      log: options.log,
      pools: this.pools,
      gauges: this.gauges,
      clientsMax: this.plan.clients,
      clientsHere: () => this.clients,
    });
    this.stopReclaiming = every(engine.timer, RECLAIM_STEP_MS, () => {
      // A worker that gives its clients away had better not hold the others up: its memory is free when it leaves.
      if (this.outgoing === null) reclaimer.check(engine.nowMs());
    });
    answerInspections(options.bus, {
      ...{ slot, loop: engine },
      pools: [...this.pools].map(([name, { sessions }]) => ({ name, sessions })),
    });
    this.adoption = new Adoption({
      socket: process.handOverSocket,
      log: options.log,
      ...{ schedule: engine.timer, nowMs: engine.nowMs, later: engine.later },
      waitMsMax: ADOPT_WAIT_MS_MAX,
      take: (received, settled) => adoptReceived(this, received, settled),
    });
  }

  get clients(): number {
    let clients = 0;
    for (const pool of this.pools.values()) clients += pool.sessions.size;
    return clients;
  }

  private *holders(): Generator<MemoryHolder, void> {
    for (const pool of this.pools.values()) for (const { unread } of pool.sessions) yield unread;
  }

  serversKnown(): Promise<void> {
    return serversKnown(this.pools.values(), this.engine.timer);
  }

  listen(grants: readonly ListenerGrant[], options: ListenOptions): void {
    this.acceptance.start(grants, options);
  }

  drain(timeoutMs: number, onDrained: (closed: number) => void): void {
    const done = (closed: number): void => {
      void this.modules.stop().then(() => onDrained(closed));
    };
    this.cancelDrain();
    this.cancelDrain = this.engine.timer(timeoutMs, () => {
      this.onAllGone = null;
      done(this.clients);
    });
    const isDraining = this.onAllGone !== null;
    this.onAllGone = () => {
      this.cancelDrain();
      done(0);
    };
    if (isDraining) return;
    this.acceptance.stop();
    for (const pool of this.pools.values()) pool.drain();
    this.checkGone();
  }

  handOver(order: HandOverOrder, events: HandOverEvents): void {
    const { sessions, pools, format, timeoutMs } = order;
    if (sessions === null) this.acceptance.stop();
    if (sessions === null) for (const pool of this.pools.values()) pool.onLeaving();
    if (this.outgoing !== null) {
      this.orders.push(() => this.handOver(order, events));
      return;
    }
    let isOver = false;
    const { engine } = this;
    const candidates = format === null ? [] : candidatesOf(this.pools, pools, sessions);
    const options = {
      socket: this.process.handOverSocket,
      format: format ?? 0,
      timeoutMs,
      ...{ nowMs: engine.nowMs, schedule: engine.timer, later: engine.later },
      underwayMax: packetsUnderway(this.process.openFiles, this.options.workers),
      log: this.options.log,
      onPackets: events.onPackets,
      onDone: (moved: number) => {
        isOver = true;
        this.outgoing = null;
        events.onDone(moved, this.clients);
        this.orders.shift()?.();
      },
    };
    const isWhole = sessions === null && options.format >= GROUP_FORMAT;
    const moves = isWhole ? this.groupsOf(pools, options.format) : [];
    const handOver = new HandOver(candidates, options, moves);
    // Without clients it is over at once.
    if (!isOver) this.outgoing = handOver;
  }

  private groupsOf(pools: readonly string[], format: number): PoolGroup[] {
    return pools.flatMap((pool) => {
      const moves = this.pools.get(pool)?.protocol.groupMoves(format) ?? [];
      return moves.map((move) => new PoolGroup(pool, move));
    });
  }

  adopt(packets: number, done: (counts: AdoptionCounts) => void): void {
    this.adoption.adopt(packets, done);
  }

  private onClientGone(session: Session): void {
    this.outgoing?.forget(session);
    this.checkGone();
  }

  leversProblem(levers: readonly Lever[]): LeverProblem | null {
    return this.levers.problemOf(levers);
  }

  setLevers(levers: readonly Lever[]): void {
    this.levers.follow(levers);
  }

  onSettings(): void {
    for (const pool of this.pools.values()) pool.onSettings();
  }

  close(): void {
    this.migrations.close();
    this.stopReclaiming();
    this.acceptance.stop();
    for (const pool of this.pools.values()) pool.close();
    this.deadlines.close();
    this.engine.close();
  }

  private addPool(pool: PoolConfig, perServer: number, turn: Turn): void {
    const { stats, counters, log, clientIds, bus, metrics } = this.options;
    const layout = stats.pools.find(({ name }) => name === pool.name);
    assert(layout !== undefined, `pool ${pool.name} has no place in the statistics`);
    this.pools.set(
      pool.name,
      new PoolPlane({
        pool,
        form: this.options.config.form,
        workers: this.options.set.size,
        zone: ownZone(this.options.config, this.process.addresses),
        layout,
        turn,
        engine: this.engine,
        deadlines: this.deadlines,
        log,
        logLimit: this.logLimit,
        modules: this.modules,
        memory: this.memory,
        partialReplies: this.partialReplies,
        counters,
        bus: busOfPool(bus, pool.name),
        metrics,
        ...{ tape: this.tape, slowReports: this.slowReports },
        tellKeys: (report) => this.options.send({ type: "keys", report }),
        everywhere: (gauge) => this.gauges.sum(layout.base + gauge),
        descriptors: this.descriptors,
        perServer,
        makeRoom: (needed) => this.makeRoom(needed),
        refuse: (stream, words) => this.refusedClients.refuse(stream, words),
        nextClientId: () => clientIds.next(),
        leafOf: (name) => this.leafOf(name),
        onClientGone: (session) => this.onClientGone(session),
      }),
    );
  }

  private leafOf(name: string): PoolPlane {
    const leaf = this.pools.get(name);
    assert(leaf !== undefined, `the pool ${name}, which a route leads to, is there`);
    return leaf;
  }

  private makeRoom(needed: 1 | 2): boolean {
    const { descriptors } = this;
    return (
      descriptors.hasRoomForClient(needed) ||
      (this.refusedClients.closeOldest() && descriptors.hasRoomForClient(needed))
    );
  }

  private checkGone(): void {
    if (this.onAllGone === null || this.clients + this.refusedClients.size > 0) return;
    const onAllGone = this.onAllGone;
    this.onAllGone = null;
    onAllGone();
  }
}
