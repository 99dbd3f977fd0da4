/** One pool in one worker: its servers, its route and its clients. */

import type { Address, Config, PoolConfig } from "../api/config.ts";
import type { SocketTuning } from "../api/engine.ts";
import type { AnyMetricSet, Labels, MetricSet, Metrics, Rows } from "../api/metrics.ts";
import type { SavedSession } from "../api/move.ts";
import type { PoolHost, ProtocolPool } from "../api/protocol-module.ts";
import type { ServerStream, ServerStreamEvents } from "../api/server-stream.ts";
import { POOL, type PoolCounter, SERVER } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Member } from "../api/topology.ts";
import { type ConnectionKind, FIRST_KIND, type Route, type Upstream } from "../api/upstream.ts";
import type { WorkerBus } from "../api/worker-bus.ts";
import type { Deadlines } from "../base/deadlines.ts";
import { CONNECTS_AT_ONCE, CONNECTS_AT_ONCE_MIN } from "../base/health-limits.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Schedule } from "../base/schedule.ts";
import type { SegmentedSet } from "../base/segmented-set.ts";
import type { Turn } from "../base/turn.ts";
import type { ClientMemory } from "../client/client-memory.ts";
import type { ClientTimes } from "../client/client-times.ts";
import type { Session } from "../client/session.ts";
import { createHash } from "../hash/hash-function.ts";
import { KeyHasher } from "../hash/key-hasher.ts";
import { hasServerTimes } from "../metrics/common-blocks.ts";
import { protocolNamed } from "../protocols/registry.ts";
import { PoolRoute } from "../route/pool-route.ts";
import { ConnectionPlan } from "../server/connection-plan.ts";
import { Ejections, ejectedMax } from "../server/ejections.ts";
import { HealthWatch } from "../server/health-watch.ts";
import { PlainConnection } from "../server/plain-connection.ts";
import { Server } from "../server/server.ts";
import { ServerSet } from "../server/server-set.ts";
import { UnlistedServer } from "../server/unlisted-server.ts";
import { type Discovered, discover } from "../topology/discovery/discover.ts";
import { DrainableTopology } from "../topology/drainable.ts";
import { PlannedTopology } from "../topology/planned.ts";
import { createStaticTopology } from "../topology/static.ts";
import { clientTuning } from "./client-tuning.ts";
import { PoolClients } from "./pool-clients.ts";
import { PoolFollower } from "./pool-follower.ts";
import type { PoolLevers } from "./pool-levers.ts";
import { allMembers, spreadKeys } from "./pool-members.ts";
import type { PoolPlaneOptions } from "./pool-plane-options.ts";
import { openClientTimes, openServerTimes } from "./pool-times.ts";
import { createTree, type PoolTree } from "./pool-tree.ts";
import { serverBlocks } from "./server-blocks.ts";

export class PoolPlane implements PoolHost {
  readonly config: PoolConfig;
  readonly form: Config["form"];
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly schedule: Schedule;
  readonly log: Logger;
  readonly logLimit: LogLimit;
  readonly counters: Float64Array;
  readonly countersBase: number;
  /** Null: what its clients send is not told apart into requests. */
  readonly times: ClientTimes | null;
  readonly memory: ClientMemory;
  readonly route: Route;
  readonly bus: WorkerBus;
  readonly openFiles: number;
  /** What its clients' connections are like. */
  readonly tuning: SocketTuning;
  readonly protocol: ProtocolPool;

  private readonly options: PoolPlaneOptions;
  /** Spreads keys over the pool's own servers. */
  private readonly ring: PoolRoute;
  /** Null: the pool has servers of its own. */
  private readonly tree: PoolTree | null;
  /** Of pools whose trees lead here. */
  private readonly followers: (() => void)[] = [];
  /** Whom an operator has drained is not in it. */
  readonly topology: DrainableTopology;
  private readonly discovered: Discovered | null;
  private readonly servers: ServerSet<Server>;
  private readonly ejections: Ejections | null;
  private readonly plan: ConnectionPlan;
  private readonly clients: PoolClients;
  /** Null: its servers are not probed. */
  private readonly watch: HealthWatch | null;
  /** Null: keys stay where the configuration says. */
  readonly migration: PoolFollower | null;

  constructor(options: PoolPlaneOptions) {
    const { pool, layout } = options;
    this.options = options;
    this.config = pool;
    this.form = options.form;
    this.turn = options.turn;
    this.schedule = options.engine.timer;
    this.deadlines = options.deadlines;
    this.log = options.log.child({ pool: pool.name });
    this.logLimit = options.logLimit;
    this.counters = options.counters;
    this.countersBase = layout.base;
    this.memory = options.memory;
    this.tuning = clientTuning(pool);
    this.bus = options.bus;
    this.openFiles = options.descriptors.openFiles;
    this.ring = new PoolRoute({
      distribution: pool.distribution,
      hasher: new KeyHasher(createHash(pool.hash, pool.hashSignedChar), pool.hashTag),
      random: options.engine.random,
    });
    this.tree = createTree(
      options,
      () => this.protocol,
      () => this.onRouteChange(),
    );
    this.route = this.tree?.route ?? this.ring;
    const ofUser = options.modules.protocolNamed(pool.protocol);
    const module = ofUser ?? protocolNamed(pool.protocol);
    // Their rows are shown from now on, also those that count nothing yet.
    for (const set of module.metrics ?? []) options.metrics.prepare(set, { pool: pool.name });
    this.protocol = module.createPool(this);
    const hasRequests = this.protocol.serverProtocols.length > 0;
    this.times = hasRequests ? openClientTimes(options, this.protocol, this.route) : null;
    const movesKeys = this.protocol.keyMoving !== undefined;
    const planned = movesKeys ? new PlannedTopology(pool.servers) : null;
    this.discovered = discover(this);
    this.topology = new DrainableTopology(
      this.protocol.topology ??
        this.discovered?.topology ??
        planned ??
        createStaticTopology(pool.servers, pool.spares),
    );
    this.clients = new PoolClients({
      ...{ plane: options, log: this.log, protocol: this.protocol, times: this.times },
      chain: options.modules.createChain(this, this.protocol.filtering),
      module: ofUser === null ? null : pool.protocol,
      count: (requests, local) => this.count(requests, local, 0),
    });
    this.ejections = pool.autoEjectHosts
      ? new Ejections({
          total: () => this.topology.members.length,
          outMax: () => ejectedMax(this.topology.members.length, pool),
          hasSpares: (pool.spares ?? []).length > 0,
          probeIntervalMs: () => pool.healthCheckMs ?? pool.serverRetryTimeoutMs,
          schedule: this.schedule,
          onChange: () => this.onEjectionChange(),
        })
      : null;
    const all = allMembers(this.topology, this.protocol);
    this.plan = new ConnectionPlan(options.descriptors, all.length, options.perServer);
    // The servers shall be within reach, however many clients come before the first request.
    if (hasRequests) this.plan.connectionsOf(FIRST_KIND, false);
    this.servers = this.createServers(module.serverErrors);
    this.servers.update(all);
    spreadKeys(this.ring, this.topology, this.servers.all);
    this.topology.watch(() => this.onTopologyChange());
    this.watch = this.createWatch();
    this.migration = planned === null ? null : this.createFollower(planned);
  }

  openStream(server: Upstream, events: ServerStreamEvents): ServerStream | null {
    // What a protocol module knows as an upstream is a server.
    return (server as Server).openStream(events);
  }

  adoptStream(fd: number, server: Upstream | null, events: ServerStreamEvents): ServerStream {
    if (server !== null) return (server as Server).adoptStream(fd, events);
    const connection = new PlainConnection(this.asideServer(null), events);
    connection.adopt(fd);
    return connection;
  }

  openAside(address: Address, events: ServerStreamEvents): ServerStream | null {
    const { descriptors } = this.options;
    if (!descriptors.hasRoom) return null;
    const connection = new PlainConnection(this.asideServer(address), events);
    descriptors.perClient++;
    connection.connect();
    return connection;
  }

  /** @param address null: the connection stands already */
  private asideServer(address: Address | null): UnlistedServer {
    const { connectTimeoutMs } = this.config;
    return new UnlistedServer({ ...this.options, tuning: this.tuning, address, connectTimeoutMs });
  }

  isInOwnZone(address: string): boolean {
    return this.options.zone?.has(address) === true;
  }

  connectionsTo(server: Upstream): number {
    const { everywhere, layout } = this.options;
    const { values, base } = (server as Server).counters;
    const at = base + SERVER.server_connections;
    // Until it has a place in the shared memory, this worker knows of its own only.
    return values === this.counters ? everywhere(at - layout.base) : values[at]!;
  }

  private createServers(serverErrors: AnyMetricSet | undefined): ServerSet<Server> {
    const { options } = this;
    const { pool } = options;
    return new ServerSet(
      (member, id) =>
        new Server({
          ...{ pool, member, id, engine: options.engine },
          variants:
            (member.isReplica === true ? this.protocol.replicaProtocols : undefined) ??
            this.protocol.serverProtocols,
          decorate: this.protocol.decorate,
          turn: options.turn,
          deadlines: options.deadlines,
          schedule: this.schedule,
          ...{ epochMs: options.engine.epochMs, random: options.engine.random },
          poolCounters: { values: this.counters, base: this.countersBase },
          ...serverBlocks(options, member.server.name, serverErrors),
          times:
            this.times === null || !hasServerTimes(pool)
              ? null
              : openServerTimes(options.metrics, pool.name, member.server.name, this.times.slow),
          log: this.log,
          logLimit: options.logLimit,
          partialReplies: options.partialReplies,
          descriptors: options.descriptors,
          plan: this.plan,
          ejections: member.isReplica === true || this.isSpare(member) ? null : this.ejections,
          connectsAtOnce: Math.max(
            CONNECTS_AT_ONCE_MIN,
            Math.floor(CONNECTS_AT_ONCE / options.workers),
          ),
          onSuspect: (id) => this.watch?.want(id),
          // Where their keys go, or keys of others, is another matter now.
          onDownOrUp: this.isSpare(member) ? () => this.onEjectionChange() : undefined,
        }),
    );
  }

  private isSpare({ id }: Member): boolean {
    return this.topology.spares?.some((spare) => spare.id === id) === true;
  }

  private createFollower(topology: PlannedTopology): PoolFollower {
    const { config: pool, sessions, levers, ring: route } = this;
    const onRouteChange = (): void => this.onRouteChange();
    const keyMoving = this.protocol.keyMoving!;
    return new PoolFollower({ pool, keyMoving, topology, route, sessions, levers, onRouteChange });
  }

  private createWatch(): HealthWatch | null {
    const { healthCheckMs } = this.config;
    if (healthCheckMs == null) return null;
    const { bus, deadlines } = this;
    const { random } = this.options.engine;
    const servers = (): readonly Server[] => this.servers.all;
    return new HealthWatch(
      { bus, deadlines, servers, random, id: this.nextClientId() },
      healthCheckMs,
    );
  }

  /** See PoolClients. */
  accept(stream: Stream): StreamEvents | null {
    return this.clients.accept(stream);
  }

  /** See PoolClients. */
  adopt(stream: Stream, saved: SavedSession): StreamEvents {
    return this.clients.adopt(stream, saved);
  }

  get sessions(): SegmentedSet<Session> {
    return this.clients.sessions;
  }

  get levers(): PoolLevers {
    return this.clients.levers;
  }

  private onEjectionChange(): void {
    this.ring.rebuild();
    this.onRouteChange();
  }

  private onTopologyChange(): void {
    const all = allMembers(this.topology, this.protocol);
    this.servers.update(all, ({ gone }) => {
      this.plan.resize(all.length);
      spreadKeys(this.ring, this.topology, this.servers.all);
      for (const { place } of gone) this.ejections?.forget(place);
      this.migration?.onServers();
      this.onRouteChange();
    });
  }

  /** `callback` is called when its servers are known, or cannot be found out for now; maybe at once. */
  whenServersKnown(callback: () => void): void {
    if (this.discovered === null) callback();
    else this.discovered.whenKnown(callback);
  }

  whenRouteChanges(callback: () => void): void {
    this.followers.push(callback);
  }

  private onRouteChange(): void {
    for (const follow of this.followers) follow();
    this.protocol.onRouteChange();
    this.clients.onRouteChange();
  }

  random(): number {
    return this.options.engine.random();
  }

  nextClientId(): number {
    return this.options.nextClientId();
  }

  get hasRoomForVariant(): boolean {
    return this.options.descriptors.free >= this.route.upstreams.length;
  }

  add(counter: PoolCounter, by: number): void {
    this.counters[this.countersBase + POOL[counter]]! += by;
  }

  metrics<const R extends Rows>(set: MetricSet<R>, labels: Labels = {}): Metrics<R> {
    return this.options.metrics.open(set, { pool: this.config.name, ...labels });
  }

  count(requests: number, local: number, protocolErrors: number): void {
    const { counters, countersBase } = this;
    counters[countersBase + POOL.requests]! += requests;
    if (local > 0) counters[countersBase + POOL.local_requests]! += local;
    if (protocolErrors > 0) counters[countersBase + POOL.protocol_errors]! += protocolErrors;
  }

  elsewhere(gauge: PoolCounter): number {
    const at = POOL[gauge];
    return this.options.everywhere(at) - this.counters[this.countersBase + at]!;
  }

  forgetVariant(variant: ConnectionKind): boolean {
    this.tree?.forget(variant);
    let areForgotten = true;
    for (const server of this.servers.all) {
      areForgotten = server.forgetVariant(variant) && areForgotten;
    }
    if (areForgotten) this.plan.giveUp(variant);
    return areForgotten;
  }

  /** Values of `config` have changed in place. */
  onSettings(): void {
    this.protocol.onSettings?.();
    this.clients.onSettings();
    this.times?.onSettings();
    this.ejections?.onSettings();
    for (const server of this.servers.all) server.onSettings();
  }

  /** The worker gives all of its clients away. */
  onLeaving(): void {
    this.watch?.leave();
    this.clients.onLeaving();
  }

  /** Idle clients leave at once, the others after their last reply. */
  drain(): void {
    this.watch?.leave();
    this.clients.drain();
  }

  close(): void {
    this.watch?.leave();
    this.clients.close();
    this.protocol.close();
    this.ejections?.close();
    this.topology.close();
    this.servers.close();
  }
}
