/**
 * One server of a pool: its connections, and whether it may have traffic.
 *
 * With auto_eject_hosts a server that failed `serverFailureLimit` times in a row leaves the ring, if `Ejections` lets it, for
 * `serverRetryTimeoutMs`. Then it is probed; twemproxy lets the next client find out.
 */
import type { PoolConfig } from "../api/config.ts";
import type { ConnectAttempt, ConnectEvents, Engine, SocketTuning } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { ServerStreamEvents } from "../api/server-stream.ts";
import { POOL, SERVER } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Member } from "../api/topology.ts";
import {
  type ConnectionKind,
  type DecorateLink,
  type Failure,
  FIRST_KIND,
  type Lease,
  type Link,
  type SubscriberConnection,
  type SubscriberEvents,
  type Upstream,
} from "../api/upstream.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import { RETIRE_MS_MAX } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Schedule } from "../base/schedule.ts";
import type { Turn } from "../base/turn.ts";
import { formatAddress, isAsked } from "../config/address.ts";
import type { ConnectionPlan } from "./connection-plan.ts";
import type { Ejectable, Ejections } from "./ejections.ts";
import { failedTooOften, stopping, takenOut, UNKNOWN_PLACE } from "./failures.ts";
import { LeasePool } from "./lease-pool.ts";
import type { LeasedConnection, LeaseOwner } from "./leased-connection.ts";
import type { PartialReplies } from "./partial-replies.ts";
import { PlainConnection, type PlainOwner } from "./plain-connection.ts";
import { ServerHealth } from "./server-health.ts";
import type { SetServer } from "./server-set.ts";
import type { ServerTimes } from "./server-times.ts";
import { SharedConnections } from "./shared-connections.ts";
import { SubscribedConnection, type SubscribedOwner } from "./subscribed-connection.ts";

export interface ServerOptions {
  readonly pool: PoolConfig;
  readonly member: Member;
  readonly engine: Engine;
  /** See `Upstream.id`. */
  readonly id: number;
  /** What clients are given in place of a shared connection, see ProtocolPool.decorate; absent: the connection itself. */
  readonly decorate?: DecorateLink | undefined;
  /** By variant: how connections of that kind are opened and read. May grow. */
  readonly variants: readonly UpstreamProtocol[];
  readonly turn: Turn;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  readonly schedule: Schedule;
  /** Milliseconds since the epoch. */
  readonly epochMs: () => number;
  /** Between 0 and 1, for jitter. */
  readonly random: () => number;
  /** What this worker counts of the pool, and of the server; where the latter is may change. */
  readonly poolCounters: MetricBlock;
  readonly counters: MetricBlock;
  /** See ConnectionOwner. */
  readonly errors: MetricBlock | null;
  readonly times: ServerTimes | null;
  readonly log: Logger;
  /** Shared by all servers of all pools. */
  readonly logLimit: LogLimit;
  readonly descriptors: DescriptorBudget;
  /** Of the server's pool. */
  readonly plan: ConnectionPlan;
  /** Shared by all servers of all pools. */
  readonly partialReplies: PartialReplies;
  /** Of the server's pool; null: its servers stay in the ring whatever happens. */
  readonly ejections: Ejections | null;
}

/** A server that has left its pool is asked so often whether it still has requests. */
const RETIRE_STEP_MS = 50;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1000;
/** A delay is spread by this share in both directions, so that workers do not knock in step. */
const RETRY_JITTER = 0.25;
const RETRY_DOUBLINGS_MAX = 5;

export class Server
  implements Upstream, SetServer, LeaseOwner, SubscribedOwner, PlainOwner, Ejectable
{
  readonly id: number;
  readonly member: string;
  readonly name: string;
  readonly weight: number;
  readonly address: string;
  readonly isReplica: boolean;
  isEjected = false;
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
  private readonly subscribers: Set<SubscribedConnection> = new Set();
  private readonly health: ServerHealth;

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
    this.health = new ServerHealth({
      ...{ server: this, name, failureLimit: pool.serverFailureLimit, log: options.log },
      ...{ ejections: options.ejections, counters: options.counters, epochMs: options.epochMs },
      // The connections were put off for as long as the server was out.
      onRecovered: () => this.openDown(),
    });
    const { plan, decorate } = options;
    this.shared = new SharedConnections({
      ...{ owner: this, plan, protocols: options.variants },
      decorate:
        decorate === undefined ? null : (link, kind, index) => decorate(link, this, kind, index),
    });
    this.leases = new LeasePool(this, this, options.variants, options.descriptors);
    this.countMembership(1);
    if (!pool.preconnect) return;
    this.shared.link(0, FIRST_KIND);
    for (const connection of this.shared.all) connection.open();
  }

  get timeoutMs(): number | null {
    return this.options.pool.timeoutMs;
  }

  get connectTimeoutMs(): number {
    return this.options.pool.connectTimeoutMs;
  }

  /** See ProtocolPool.onSettings: what is awaited may be late earlier. */
  onSettings(): void {
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
    if (isAsked(member.server.address)) {
      return { abandon: this.schedule(0, () => events.onError(UNKNOWN_PLACE)) };
    }
    return engine.connect(member.server.address, this.tuning(isWatched), events, streamEvents);
  }

  connectPlain(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt {
    const { engine, member } = this.options;
    return engine.connect(member.server.address, this.tuning(true), events, streamEvents, true);
  }

  onDescriptor(by: 1 | -1): void {
    this.options.descriptors.shared += by;
  }

  private tuning(isWatched: boolean): SocketTuning {
    const { tcpKeepalive, tcpNodelay } = this.options.pool;
    return {
      isKeptAlive: isWatched || tcpKeepalive,
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

  onOutOfStep(): void {
    const { log, logLimit, pool } = this.options;
    const leftOut = logLimit.admit(`out of step ${pool.name} ${this.name}`, this.turn.nowMs);
    if (leftOut === null) return;
    log.error(
      "a reply of the server got lost or came twice: its connection was closed; clients may have had replies to other requests just before",
      { server: this.name, ...(leftOut > 0 ? { left_out: leftOut } : {}) },
    );
  }

  eject(): void {
    const { pool, log, poolCounters } = this.options;
    const { values, base } = this.counters;
    this.isEjected = true;
    poolCounters.values[poolCounters.base + POOL.server_ejects]! += 1;
    values[base + SERVER.ejected] = 1;
    values[base + SERVER.server_ejected_at] = this.options.epochMs() * 1000;
    log.warn("server is ejected", { server: this.name, retry_ms: pool.serverRetryTimeoutMs });
    this.takeDown();
  }

  keep(): void {
    this.options.log.warn("server has failed but is not ejected: too many others are in trouble", {
      server: this.name,
    });
    this.takeDown();
  }

  restore(): void {
    const { log } = this.options;
    this.isEjected = false;
    const { values, base } = this.counters;
    values[base + SERVER.ejected] = 0;
    if (!this.health.hasFailed) {
      log.info("server is in the ring again", { server: this.name });
      return;
    }
    log.warn("server is ejected no more: all servers of the pool have failed", {
      server: this.name,
    });
    // From now on clients wait for it.
    this.openDown();
  }

  probe(): void {
    this.openDown();
  }

  private takeDown(): void {
    const sent = failedTooOften(this.name, true);
    const unsent = failedTooOften(this.name, false);
    for (const connection of this.shared.all) connection.takeDown(sent, unsent);
    this.leases.takeDown(sent, unsent);
    for (const connection of this.subscribers) connection.takeDown(sent, unsent);
  }

  retryDelayMs(failedAttempts: number): number {
    if (this.isEjected) return this.options.pool.serverRetryTimeoutMs;
    const doublings = Math.min(Math.max(failedAttempts - 1, 0), RETRY_DOUBLINGS_MAX);
    const delayMs = Math.min(RETRY_FIRST_MS * 2 ** doublings, RETRY_MAX_MS);
    return delayMs * (1 + RETRY_JITTER * (2 * this.options.random() - 1));
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
    const { values, base } = this.counters;
    this.health.retire();
    if (this.isEjected) values[base + SERVER.ejected] = 0;
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
