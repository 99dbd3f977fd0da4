/**
 * One server of a pool: its connections, and whether it may have traffic.
 *
 * Its `health` says whether it may, and `Ejections` whether its keys go elsewhere meanwhile. Without probes one that was ejected is tried again
 * after `serverRetryTimeoutMs`; twemproxy lets the next client find out.
 */
import type { PoolConfig } from "../api/config.ts";
import type { ConnectAttempt, ConnectEvents, SocketTuning } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import type { ServerStreamEvents } from "../api/server-stream.ts";
import { SERVER } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import {
  type ConnectionKind,
  type Failure,
  FIRST_KIND,
  type Lease,
  type Link,
  type SubscriberConnection,
  type SubscriberEvents,
  type Upstream,
} from "../api/upstream.ts";
import type { Deadlines } from "../base/deadlines.ts";
import { CONNECTS_AT_ONCE } from "../base/health-limits.ts";
import { RETIRE_MS_MAX } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";
import type { Turn } from "../base/turn.ts";
import { formatAddress, isAsked } from "../config/address.ts";
import { ConnectGate } from "./connect-gate.ts";
import { PROBES_FAIL, serverIsDown, stopping, takenOut, UNKNOWN_PLACE } from "./failures.ts";
import { LeasePool } from "./lease-pool.ts";
import type { LeasedConnection, LeaseOwner } from "./leased-connection.ts";
import type { PartialReplies } from "./partial-replies.ts";
import { PlainConnection, type PlainOwner } from "./plain-connection.ts";
import { createProber, type Prober } from "./prober.ts";
import { retryDelayMs } from "./retry-delay.ts";
import { RingPlace } from "./ring-place.ts";
import { ServerHealth } from "./server-health.ts";
import type { ServerOptions } from "./server-options.ts";
import type { SetServer } from "./server-set.ts";
import type { ServerTimes } from "./server-times.ts";
import { SharedConnections } from "./shared-connections.ts";
import { SubscribedConnection, type SubscribedOwner } from "./subscribed-connection.ts";

/** A server that has left its pool is asked so often whether it still has requests. */
const RETIRE_STEP_MS = 50;

export class Server implements Upstream, SetServer, LeaseOwner, SubscribedOwner, PlainOwner {
  readonly id: number;
  readonly member: string;
  readonly name: string;
  readonly weight: number;
  readonly address: string;
  readonly isReplica: boolean;
  readonly place: RingPlace;
  readonly health: ServerHealth;
  /** See ConnectionOwner: asked with each request. */
  pendingMax: number;
  incarnation = 1;

  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly isEager: boolean;
  readonly counters: MetricBlock;
  readonly errors: MetricBlock | null;
  readonly times: ServerTimes | null;
  readonly schedule: Schedule;
  readonly partialReplies: PartialReplies;

  private readonly options: ServerOptions;
  private readonly shared: SharedConnections;
  private readonly leases: LeasePool;
  private readonly gate: ConnectGate;
  private readonly subscribers: Set<SubscribedConnection> = new Set();

  constructor(options: ServerOptions) {
    const { pool, member } = options;
    const { name, address, weight } = member.server;
    this.options = options;
    this.id = options.id;
    this.member = member.id;
    this.isReplica = member.isReplica === true;
    this.name = name;
    this.weight = weight;
    this.address = formatAddress(address);
    this.turn = options.turn;
    this.deadlines = options.deadlines;
    this.isEager = pool.preconnect;
    this.counters = options.counters;
    this.errors = options.errors;
    this.times = options.times;
    this.schedule = options.schedule;
    this.partialReplies = options.partialReplies;
    this.pendingMax = pendingMax(pool);
    this.place = new RingPlace({
      ...{ ...options, name, isDown: () => this.isDown },
      ...{ takeDown: () => this.takeDown(), openDown: () => this.openDown() },
    });
    this.health = new ServerHealth({
      ...{ ...options, name, server: this.place, nowMs: () => this.turn.nowMs },
      onDown: () => {
        this.takeDown();
        options.onDownOrUp?.();
      },
      onRecovered: () => {
        // The connections were put off for as long as the server was out.
        this.openDown();
        options.onDownOrUp?.();
      },
      onProbed: () => this.openDown(),
      onSuspect: () => options.onSuspect?.(member.id),
    });
    const { plan, decorate } = options;
    this.shared = new SharedConnections({
      ...{ owner: this, plan, protocols: options.variants },
      decorate:
        decorate === undefined ? null : (link, kind, index) => decorate(link, this, kind, index),
    });
    this.gate = new ConnectGate(options.connectsAtOnce ?? CONNECTS_AT_ONCE);
    this.leases = new LeasePool(this, this, options.variants, options.descriptors);
    this.countMembership(1);
    if (!pool.preconnect) return;
    this.shared.link(0, FIRST_KIND);
    for (const connection of this.shared.all) connection.open();
  }

  get isEjected(): boolean {
    return this.place.isEjected;
  }

  get isDown(): boolean {
    return this.health.isDown;
  }

  get isWell(): boolean {
    return this.health.isUp;
  }

  /** Only its probes bring it back. */
  private get isHeldDown(): boolean {
    return this.isDown && this.options.pool.healthCheckMs != null;
  }

  get timeoutMs(): number | null {
    return this.options.pool.timeoutMs;
  }

  get connectTimeoutMs(): number {
    return this.options.pool.connectTimeoutMs;
  }

  get firstByteMs(): number | null {
    return this.options.pool.firstByteTimeoutMs ?? null;
  }

  get queueMs(): number | null {
    // 0 in a file means none.
    return this.options.pool.queueTimeoutMs || null;
  }

  /** See ProtocolPool.onSettings: what is awaited may be late earlier. */
  onSettings(): void {
    this.pendingMax = pendingMax(this.options.pool);
    for (const connection of [...this.shared.all, this.leases]) connection.watch();
  }

  connection(lane: number, variant: ConnectionKind): Link {
    return this.shared.link(lane, variant);
  }

  lease(variant: ConnectionKind, origin: string): Lease | null {
    return this.leases.lease(variant, origin);
  }

  whyNoLease(origin: string): string {
    const { log, logLimit } = this.options;
    const reason = this.leases.whyNoLease(origin);
    const leftOut = logLimit.admit(
      `no lease ${this.options.pool.name} ${this.name}`,
      this.turn.nowMs,
    );
    if (leftOut !== null) {
      log.warn(`a client gets no connection of its own: ${reason}`, {
        server: this.name,
        ...(leftOut > 0 ? { left_out: leftOut } : {}),
      });
    }
    return reason;
  }

  adopt(fd: number, variant: ConnectionKind, origin: string): Lease {
    return this.leases.adopt(fd, variant, origin);
  }

  adoptSocket(
    fd: number,
    onStream: (stream: Stream) => StreamEvents | null,
    onError: () => void,
  ): void {
    this.options.engine.adopt(fd, this.tuning(true), onStream, onError);
  }

  onReturned(connection: LeasedConnection, isFree: boolean): void {
    this.leases.onReturned(connection, isFree);
  }

  subscriber(variant: ConnectionKind, events: SubscriberEvents): SubscriberConnection {
    const connection = new SubscribedConnection(this, this.options.variants[variant]!, events);
    this.subscribers.add(connection);
    this.options.descriptors.lent++;
    return connection;
  }

  onSubscriberGone(connection: SubscribedConnection): void {
    if (this.subscribers.delete(connection)) this.options.descriptors.lent--;
  }

  /** See PoolHost.openStream. */
  openStream(events: ServerStreamEvents): PlainConnection | null {
    if (!this.options.descriptors.hasRoom) return null;
    const connection = this.addPlain(events);
    connection.connect();
    return connection;
  }

  /** See PoolHost.adoptStream. */
  adoptStream(fd: number, events: ServerStreamEvents): PlainConnection {
    const connection = this.addPlain(events);
    connection.adopt(fd);
    return connection;
  }

  private addPlain(events: ServerStreamEvents): PlainConnection {
    this.options.descriptors.perClient++;
    return new PlainConnection(this, events);
  }

  onPlainGone(): void {
    this.options.descriptors.perClient--;
  }

  /**
   * Closes the shared connections of `variant`, because its number will stand for something else.
   * @returns false: requests are on them, so nothing was done
   */
  forgetVariant(variant: ConnectionKind): boolean {
    return this.shared.forget(variant, stopping(this.name, true), stopping(this.name, false));
  }

  connect(events: ConnectEvents, streamEvents: StreamEvents, isWatched: boolean): ConnectAttempt {
    const { engine, member } = this.options;
    const problem = isAsked(member.server.address)
      ? UNKNOWN_PLACE
      : this.isHeldDown
        ? PROBES_FAIL
        : null;
    if (problem !== null) return { abandon: this.schedule(0, () => events.onError(problem)) };
    this.health.onAttempt();
    return this.gate.pass(events, (passed) =>
      engine.connect(member.server.address, this.tuning(isWatched), passed, streamEvents),
    );
  }

  connectPlain(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt {
    const { engine, member } = this.options;
    return this.gate.pass(events, (passed) =>
      engine.connect(member.server.address, this.tuning(true), passed, streamEvents, true),
    );
  }

  onDescriptor(by: 1 | -1): void {
    this.options.descriptors.shared += by;
  }

  private tuning(isWatched: boolean): SocketTuning {
    const { tcpKeepalive, tcpNodelay, timeoutMs } = this.options.pool;
    return {
      // Without time-outs nothing else finds out that the server's host is gone.
      isKeptAlive: isWatched || tcpKeepalive || timeoutMs === null,
      isUndelayed: tcpNodelay,
      isQuicklyAcked: false,
    };
  }

  onReply(): void {
    this.health.onReply();
  }

  onUp(): void {
    this.health.onUp();
  }

  private openDown(): void {
    if (this.isHeldDown) return;
    for (const connection of [...this.shared.all, ...this.subscribers]) {
      if (connection.refusal !== null) connection.open();
    }
  }

  onLost(): void {
    this.incarnation++;
  }

  onTrouble(failure: Failure): void {
    this.health.onTrouble(failure);
  }

  onSignal(name: string): void {
    this.health.onSignal(name);
  }

  createProber(): Prober {
    return createProber({ ...this.options, name: this.name, tuning: this.tuning(false) });
  }

  onOutOfStep(): void {
    const { log, logLimit, pool } = this.options;
    const leftOut = logLimit.admit(`out of step ${pool.name} ${this.name}`, this.turn.nowMs);
    if (leftOut === null) return;
    log.error(
      "a reply of the server got lost or came twice: its connection was closed; clients may have had replies to other requests just before",
      { event: "reply_was_lost", server: this.name, ...(leftOut > 0 ? { left_out: leftOut } : {}) },
    );
  }

  private takeDown(): void {
    const { downReason } = this.health;
    const sent = serverIsDown(this.name, downReason, true);
    const unsent = serverIsDown(this.name, downReason, false);
    for (const connection of this.shared.all) connection.takeDown(sent, unsent);
    this.leases.takeDown(sent, unsent);
    for (const connection of this.subscribers) connection.takeDown(sent, unsent);
  }

  retryDelayMs(failedAttempts: number): number {
    if (this.isHeldDown) return Number.POSITIVE_INFINITY;
    if (this.isEjected) return this.options.pool.serverRetryTimeoutMs;
    return retryDelayMs(failedAttempts, this.options.random());
  }

  /** Requests that wait for a reply. */
  get pendingCount(): number {
    return this.shared.pendingCount + this.leases.pendingCount;
  }

  private countMembership(by: 1 | -1): void {
    const { values, base } = this.counters;
    values[base + SERVER.in_pool]! += by;
  }

  retire(onClosed: () => void): void {
    const { turn, schedule } = this;
    this.health.retire();
    this.place.leave();
    this.countMembership(-1);
    const closeMs = turn.nowMs + RETIRE_MS_MAX;
    const look = (): void => {
      if (this.pendingCount > 0 && turn.nowMs < closeMs) {
        schedule(RETIRE_STEP_MS, look);
        return;
      }
      this.close();
      onClosed();
    };
    look();
  }

  close(): void {
    const why = this.health.isRetired ? takenOut : stopping;
    const sent = why(this.name, true);
    const unsent = why(this.name, false);
    for (const connection of this.shared.all) connection.close(sent, unsent);
    this.leases.takeDown(sent, unsent);
    for (const connection of [...this.subscribers]) connection.discard();
  }
}

function pendingMax({ serverQueue = 0 }: PoolConfig): number {
  return serverQueue === 0 ? Number.POSITIVE_INFINITY : serverQueue;
}
