/**
 * One worker's slot in a generation: its child, its slot of the statistics, and our end of its hand-over socket.
 *
 * We keep the worker's end of that socket open, too: packets that a dead worker had not taken yet are taken back.
 */

import type { Config } from "../../api/config.ts";
import {
  BUS_SINCE_PACKET_FORMAT,
  type FromWorker,
  type RunAs,
  type ToWorker,
} from "../../api/control.ts";
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { MigrationOrder } from "../../api/migration.ts";
import type { SteeringOrder } from "../../api/steering.ts";
import type { RetainedMessage } from "../../api/worker-bus.ts";
import type { WorkerSet } from "../../api/worker-set.ts";
import type { Logger } from "../../base/log.ts";
import { poolsFor, setOf } from "../../config/worker-sets.ts";
import type { BlockWish } from "../../metrics/directory.ts";
import { createPacketPair } from "../../os/fd-passing.ts";
import type { SocketPair } from "../../os/socket-pair.ts";
import { ChildKeeper, type KeeperSnapshot } from "../process/child-keeper.ts";
import type { Program } from "../program/program.ts";
import type { WorkerGrant } from "../sockets/accept-source.ts";
import type { StatsMemory } from "../stats/stats-store.ts";

/** What all workers of a generation have in common. */
export interface GenerationPlan {
  /** Counted from 1. */
  readonly number: number;
  /** Workers in all. */
  readonly size: number;
  readonly sets: readonly WorkerSet[];
  readonly config: Config;
  readonly program: Program;
  readonly memory: StatsMemory;
  readonly isSilent: boolean;
  /** The user that its processes become; null: they stay what they are. */
  readonly runAs: RunAs | null;
  /** What its workers follow besides `config`, now. */
  steering(): SteeringOrder;
  /** Where keys are, now. */
  migration(): MigrationOrder;
  /** `config` with what was set beside it until now. */
  running(): Config;
}

export interface WorkerPlan {
  readonly generation: GenerationPlan;
  /** Counted from 0 in each generation: decides on its listening sockets and its CPU core. */
  readonly index: number;
  /** Of the statistics; no other living worker has the same. */
  readonly slot: number;
  acceptSource(): WorkerGrant;
  /** Where it may count what it wishes; null: nowhere, see StatsStore. */
  addBlock(wish: BlockWish): number | null;
  /** A number that no worker had before. */
  nextBirth(): number;
  /** What is retained on the worker bus. */
  retained(): readonly RetainedMessage[];
}

export interface WorkerEvents {
  onReady(worker: WorkerSlot): void;
  onMessage(worker: WorkerSlot, message: FromWorker): void;
  /** It lives on behind its start: see `prove`. */
  onProven(worker: WorkerSlot): void;
  onDeath(worker: WorkerSlot, earlyDeaths: number, reason: string | null): void;
  /** Its hand-over socket is not its any more, but the hearer's, who takes off what is on it and closes it. */
  onSocketEnd(worker: WorkerSlot, socket: SocketPair): void;
  /** @param clients that it had when it was heard of last */
  onGone(worker: WorkerSlot, clients: number): void;
}

export interface WorkerSnapshot {
  readonly index: number;
  readonly slot: number;
  readonly handover: SocketPair | null;
  readonly parcelFormats: readonly number[];
  /** Absent: the supervisor before this one was older than orders, and did not ask; its workers may be newer. */
  readonly isSteerable?: boolean;
  readonly clients: number;
  readonly keeper: KeeperSnapshot;
}

/** No ping of the watchdog's, which counts from 1. */
const COUNT_PING = 0;
/** Nor this one. */
const PROOF_PING = -1;

export class WorkerSlot {
  readonly plan: WorkerPlan;
  /** As it said last, corrected by what was moved since. */
  clients = 0;
  /** Formats that it reads and writes. */
  packetFormats: readonly number[] = [];
  readonly #keeper: ChildKeeper<FromWorker, ToWorker>;
  readonly #events: WorkerEvents;
  #handover: SocketPair | null = null;
  #followsOrders = false;
  /** It was told to leave. */
  #isTold = false;
  /** The order that it began with. */
  #revisionAtStart = 0;

  constructor(plan: WorkerPlan, events: WorkerEvents, log: Logger) {
    this.plan = plan;
    this.#events = events;
    this.#keeper = new ChildKeeper<FromWorker, ToWorker>(
      {
        name: `worker/${plan.slot}`,
        role: "worker",
        title: `proxy: worker ${plan.slot}`,
        isSilent: plan.generation.isSilent,
        answers: true,
        generation: plan.generation.number,
        program: plan.generation.program,
        fds: () => [plan.generation.memory.fd, this.#renewHandover(), ...plan.acceptSource().fds],
        startMessage: () => this.#startMessage(),
      },
      {
        onReady: () => {
          this.#catchUp();
          events.onReady(this);
        },
        onMessage: (message) => this.#onMessage(message),
        onDeath: (earlyDeaths, reason) => {
          this.clients = 0;
          events.onDeath(this, earlyDeaths, reason);
        },
        onGone: () => {
          const { clients } = this;
          this.clients = 0;
          this.#endHandover();
          events.onGone(this, clients);
        },
      },
      log,
    );
  }

  get name(): string {
    return `worker/${this.plan.slot}`;
  }

  get set(): WorkerSet {
    return setOf(this.plan.generation.sets, this.plan.index);
  }

  /** See HandOverWorker. */
  get pools(): readonly string[] | null {
    return this.plan.generation.sets.length > 1 ? this.set.pools : null;
  }

  get state(): ProcessStatus["state"] {
    return this.#keeper.state;
  }

  get isServing(): boolean {
    return this.#keeper.isServing;
  }

  /** It follows orders, and has begun. */
  get isSteerable(): boolean {
    return this.#followsOrders && (this.state === "serving" || this.state === "leaving");
  }

  /** Our end of its hand-over socket; null: it has none now. */
  get handoverFd(): number | null {
    return this.#handover?.ours ?? null;
  }

  /** It has a process that goes by orders, or begins with the latest. */
  get isThere(): boolean {
    const { state } = this;
    return state === "starting" || state === "serving" || state === "leaving";
  }

  get isOnBus(): boolean {
    const { packetFormats, state, plan } = this;
    const formats =
      packetFormats.length > 0 ? packetFormats : plan.generation.program.about.parcelFormats;
    const isThere = state === "starting" || state === "serving" || state === "leaving";
    return isThere && formats.includes(BUS_SINCE_PACKET_FORMAT);
  }

  get canAnswer(): boolean {
    return this.isOnBus && this.state !== "starting";
  }

  /** Topics of the worker bus are of a pool, see `busOfPool`, or of the whole proxy. */
  knows(topic: string): boolean {
    const { config, sets } = this.plan.generation;
    if (sets.length === 1) return true;
    const isOf = ({ name }: { readonly name: string }): boolean => topic.startsWith(`${name}/`);
    return poolsFor(config, this.set).some(isOf) || !config.pools.some(isOf);
  }

  start(): void {
    this.#keeper.start();
  }

  send(message: ToWorker): void {
    this.#keeper.send(message);
  }

  /** Asks whether it lives on behind its start: what fails there may end it a moment after it said that it is ready. */
  prove(): void {
    this.send({ type: "ping", id: PROOF_PING });
  }

  /** It goes on until it is told to hand over, drain or stop; should it die before, it is not replaced any more. */
  retire(): void {
    this.#keeper.retire();
  }

  /** Hands all its clients over and leaves. Does nothing when it was told to leave in another way. */
  handOver(pools: readonly string[], format: number | null, timeoutMs: number): void {
    if (this.#isTold) return;
    this.#isTold = true;
    // How many it has: what it said last is up to a second old. Asked before it moves any, which are counted when they come.
    this.send({ type: "ping", id: COUNT_PING });
    this.#keeper.leave(
      { type: "hand_over", sessions: null, pools, format, timeoutMs },
      timeoutMs + this.plan.generation.config.drainTimeoutMs,
    );
  }

  drain(timeoutMs: number): void {
    this.#isTold = true;
    this.#keeper.drain(timeoutMs);
  }

  stop(): void {
    this.#isTold = true;
    this.#keeper.stop();
  }

  tick(): void {
    this.#keeper.tick();
  }

  status(): ProcessStatus {
    const { pool } = this.set;
    return { ...this.#keeper.status(this.clients), ...(pool === null ? {} : { pool }) };
  }

  /** Null: it is just ending; ask again in a moment. */
  snapshot(): WorkerSnapshot | null {
    const keeper = this.#keeper.snapshot();
    if (keeper === null) return null;
    const { index, slot } = this.plan;
    const { packetFormats, clients } = this;
    return {
      ...{ index, slot, handover: this.#handover, parcelFormats: packetFormats, clients, keeper },
      isSteerable: this.#followsOrders,
    };
  }

  resume(snapshot: WorkerSnapshot): void {
    this.#handover = snapshot.handover;
    this.packetFormats = snapshot.parcelFormats;
    this.clients = snapshot.clients;
    this.#followsOrders = snapshot.isSteerable === true;
    this.#keeper.resume(snapshot.keeper);
    // Only one that follows orders answers.
    const order = this.plan.generation.steering();
    if (snapshot.isSteerable === undefined) this.send({ type: "steer", order, isFinal: false });
  }

  #startMessage(): ToWorker {
    const { generation, index, slot } = this.plan;
    const steering = generation.steering();
    this.#followsOrders = false;
    this.#revisionAtStart = steering.revision;
    return {
      type: "start",
      slot,
      index,
      birth: this.plan.nextBirth(),
      workers: generation.size,
      ...(this.set.pool === null && this.pools === null ? {} : { set: this.set }),
      config: generation.config,
      ...this.plan.acceptSource().start,
      ...(generation.runAs === null ? {} : { runAs: generation.runAs }),
      stats: generation.memory.layout,
      notices: this.plan.retained(),
      steering,
      migration: generation.migration(),
    };
  }

  /** Something may have been changed since it was started. */
  #catchUp(): void {
    const order = this.plan.generation.steering();
    if (!this.#followsOrders || order.revision === this.#revisionAtStart) return;
    this.send({ type: "steer", order, isFinal: true });
  }

  #onMessage(message: FromWorker): void {
    if (message.type === "ready") {
      this.packetFormats = message.parcelFormats;
      this.#followsOrders = message.isSteerable === true;
    }
    if (message.type === "steered" && !this.#followsOrders) {
      this.#followsOrders = true;
      this.#catchUp();
    }
    if (message.type === "pong") this.clients = message.clients;
    if (message.type === "pong" && message.id === PROOF_PING) this.#events.onProven(this);
    if (message.type === "handed_over") this.clients = message.left;
    if (message.type === "want_client_ids") {
      this.send({ type: "client_ids", birth: this.plan.nextBirth() });
    }
    if (message.type === "want_block") {
      const { id, schema, labels } = message;
      this.send({ type: "block", id, base: this.plan.addBlock({ schema, labels }) });
    }
    this.#events.onMessage(this, message);
  }

  /** A fresh hand-over socket for the worker that is about to start. @returns its end */
  #renewHandover(): number {
    this.#endHandover();
    this.#handover = createPacketPair();
    return this.#handover.theirs;
  }

  #endHandover(): void {
    const socket = this.#handover;
    if (socket === null) return;
    this.#handover = null;
    this.#events.onSocketEnd(this, socket);
  }
}
