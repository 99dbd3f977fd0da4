/** One pool in one worker: its servers, its route and its clients. */
import type { Colleagues } from "../api/colleagues.ts";
import type { Config, DeadServer, MgetErrors, PoolConfig } from "../api/config.ts";
import { POOL, type StatsLayout } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Deadline, Deadlines } from "../base/deadlines.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import { schedule } from "../base/schedule.ts";
import { inSlices } from "../base/slices.ts";
import type { Turn } from "../base/turn.ts";
import { createHash } from "../hash/hash-function.ts";
import { KeyHasher } from "../hash/key-hasher.ts";
import { clientTuning, type SocketTuning } from "../io/socket-tuning.ts";
import type { Foreign } from "../protocol/foreign.ts";
import { CommandTable } from "../protocol/redis/command-table.ts";
import { PoolRoute } from "../route/pool-route.ts";
import type { MemcachePool } from "../session/memcache/memcache-pool.ts";
import { VariantTable } from "../session/redis/identity/variant-table.ts";
import { CommandLearner } from "../session/redis/learn-commands.ts";
import { ClientDirectory } from "../session/redis/local/client-directory.ts";
import { Hubs } from "../session/redis/pubsub/hubs.ts";
import type { RedisPool } from "../session/redis/redis-pool.ts";
import { ScriptMemory } from "../session/redis/scripts/memory.ts";
import { Session } from "../session/session.ts";
import type { SavedSession, SessionHost } from "../session/session-host.ts";
import { ConnectionPlan } from "../upstream/connection-plan.ts";
import { Ejections, ejectedMax } from "../upstream/ejections.ts";
import type { PartialReplies } from "../upstream/partial-replies.ts";
import { Server } from "../upstream/server.ts";
import { warnOfForeign } from "./foreign-clients.ts";
import { createPoolProtocol, type PoolProtocol } from "./pool-protocol.ts";

export interface PoolPlaneOptions {
  readonly pool: PoolConfig;
  /** Of the configuration file. */
  readonly form: Config["form"];
  readonly layout: StatsLayout["pools"][number];
  readonly turn: Turn;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  readonly log: Logger;
  /** Shared by all pools. */
  readonly logLimit: LogLimit;
  /** Shared by all pools. */
  readonly partialReplies: PartialReplies;
  readonly counters: Float64Array;
  /** The same pool in other workers. */
  readonly colleagues: Colleagues;
  /** A gauge of this pool, over all workers. */
  readonly everywhere: (gauge: number) => number;
  /** False: this process is out of file descriptors for clients. */
  readonly makeRoom: () => boolean;
  /** Says `words` to a client that may not stay; the result is what `accept` returns. */
  readonly refuse: (stream: Stream, words: Buffer) => StreamEvents | null;
  /** Of this process. */
  readonly descriptors: DescriptorBudget;
  /** Connections of each kind to each server, as far as there are descriptors. */
  readonly perServer: number;
  /** A number that no other client of any worker has. */
  readonly nextClientId: () => number;
  readonly onClientGone: (session: Session) => void;
}

/** So long after a client has left its kind of connection it is looked whether kinds are unused: for many clients at once. */
const SWEEP_MS = 100;
const NONE: Buffer = Buffer.alloc(0);

export class PoolPlane implements SessionHost, RedisPool, MemcachePool {
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly schedule: typeof schedule = schedule;
  readonly counters: Float64Array;
  readonly countersBase: number;
  readonly route: PoolRoute;
  readonly variants: VariantTable;
  readonly directory: ClientDirectory;
  readonly unixPath: string | null;
  readonly commands: CommandTable;
  readonly learner: CommandLearner;
  readonly password: string | null;
  readonly hashTag: string | null;
  readonly hubs: Hubs;
  readonly mgetErrors: MgetErrors;
  readonly deadServer: DeadServer;
  readonly colleagues: Colleagues;
  readonly scripts: ScriptMemory;
  readonly sessions: Set<Session> = new Set();
  /** What its clients' connections are like. */
  readonly tuning: SocketTuning;

  private readonly options: PoolPlaneOptions;
  private readonly protocol: PoolProtocol;
  private readonly servers: readonly Server[];
  private readonly ejections: Ejections | null;
  /** When to look for kinds of connections that are unused. */
  private readonly sweeping: Deadline;
  private readonly plan: ConnectionPlan;
  private lanes = 0;

  constructor(options: PoolPlaneOptions) {
    const { pool, layout } = options;
    this.options = options;
    this.turn = options.turn;
    this.deadlines = options.deadlines;
    this.counters = options.counters;
    this.countersBase = layout.base;
    this.commands = new CommandTable({
      allowed: new Set(pool.allowCommands),
      denied: new Set(pool.denyCommands),
      isSharded: pool.servers.length > 1,
    });
    this.learner = new CommandLearner(this.commands, this.turn);
    this.password = pool.redisAuth;
    this.hashTag = pool.hashTag;
    this.tuning = clientTuning(pool);
    this.mgetErrors = pool.mgetErrors;
    this.deadServer = pool.deadServer;
    this.colleagues = options.colleagues;
    this.scripts = new ScriptMemory(this.colleagues, this.turn);
    this.route = new PoolRoute({
      distribution: pool.distribution,
      hasher: new KeyHasher(createHash(pool.hash, pool.hashSignedChar), pool.hashTag),
      servers: pool.servers,
      random: Math.random,
    });
    this.variants = new VariantTable(
      pool.redisAuth,
      pool.redisDb,
      () => options.descriptors.free >= pool.servers.length,
    );
    this.sweeping = this.sweep(options.deadlines);
    this.hubs = new Hubs({
      route: this.route,
      variants: this.variants,
      timeoutMs: pool.timeoutMs,
      turn: options.turn,
      deadlines: options.deadlines,
      colleagues: options.colleagues,
      countShared: (by) => {
        this.counters[this.countersBase + POOL.shared_subscriptions]! += by;
      },
      sharedElsewhere: () =>
        options.everywhere(POOL.shared_subscriptions) -
        this.counters[this.countersBase + POOL.shared_subscriptions]!,
      nextId: options.nextClientId,
    });
    this.directory = new ClientDirectory(this.colleagues, this.turn);
    this.unixPath = pool.listen.kind === "unix" ? pool.listen.path : null;
    this.protocol = createPoolProtocol(pool, this, options.descriptors.openFiles);
    this.ejections = pool.autoEjectHosts
      ? new Ejections({
          total: pool.servers.length,
          outMax: ejectedMax(pool),
          probeIntervalMs: pool.serverRetryTimeoutMs,
          schedule,
          onChange: () => this.onEjectionChange(),
        })
      : null;
    this.plan = new ConnectionPlan(options.descriptors, pool.servers.length, options.perServer);
    // The servers shall be within reach, however many clients come before the first request.
    this.plan.connectionsOf(0);
    this.servers = this.createServers();
    this.route.attach(this.servers);
  }

  private createServers(): Server[] {
    const { options } = this;
    const { pool, layout } = options;
    const serverBases = new Map(layout.servers.map(({ name, base }) => [name, base]));
    return pool.servers.map(
      (server, index) =>
        new Server({
          pool,
          server,
          index,
          variants: this.protocol.variants,
          turn: options.turn,
          deadlines: options.deadlines,
          schedule,
          epochMs: Date.now,
          random: Math.random,
          counters: options.counters,
          poolBase: layout.base,
          serverBase: serverBases.get(server.name)!,
          log: options.log.child({ pool: pool.name }),
          logLimit: options.logLimit,
          partialReplies: options.partialReplies,
          descriptors: options.descriptors,
          plan: this.plan,
          ejections: this.ejections,
        }),
    );
  }

  /** A client has connected. Null: it may not stay, was told why, and is to be closed. */
  accept(stream: Stream): StreamEvents | null {
    const { pool, everywhere, makeRoom, refuse } = this.options;
    const isFull =
      pool.clientConnectionsMax > 0 &&
      everywhere(POOL.client_connections) >= pool.clientConnectionsMax;
    if (isFull || !makeRoom()) {
      this.warnOfRefused(isFull);
      const { tooManyClients, noDescriptors } = this.protocol;
      return refuse(stream, isFull ? tooManyClients : noDescriptors);
    }
    this.counters[this.countersBase + POOL.client_connections_total]! += 1;
    return this.addSession(stream, undefined, NONE, []);
  }

  private warnOfRefused(isFull: boolean): void {
    const { pool, log, logLimit, descriptors } = this.options;
    const reason = isFull
      ? `client_connections of the pool is reached (${pool.clientConnectionsMax}, over all workers)`
      : `the limit of open files is reached (${descriptors.openFiles} in each worker); raise it (LimitNOFILE=, ulimit -n)`;
    const leftOut = logLimit.admit(`${pool.name} refused ${isFull}`, this.turn.nowMs);
    if (leftOut === null) return;
    log.warn(`a client is turned away: ${reason}`, {
      pool: pool.name,
      clients: this.sessions.size,
      server_connections: descriptors.shared + descriptors.lent,
      ...(leftOut > 0 ? { left_out: leftOut } : {}),
    });
  }

  /** A client's connection that another worker had, with what it saved of the session. */
  adopt(stream: Stream, { client, input, output, descriptors }: SavedSession): StreamEvents {
    const session = this.addSession(stream, client, output, descriptors);
    session.resume(input);
    return session;
  }

  /** @param client what a frontend saved, or undefined for a new client */
  private addSession(
    stream: Stream,
    client: unknown,
    output: Buffer,
    descriptors: readonly number[],
  ): Session {
    const session = new Session(this, stream, this.lanes++);
    session.inherit(output);
    session.attach(this.protocol.createFrontend(session, client, descriptors));
    this.sessions.add(session);
    this.counters[this.countersBase + POOL.client_connections]! += 1;
    return session;
  }

  private onEjectionChange(): void {
    this.route.rebuild();
    this.hubs.onRouteChange();
    for (const { frontend } of [...this.sessions]) frontend.onRouteChange();
  }

  onSessionClosed(session: Session): void {
    this.sessions.delete(session);
    this.counters[this.countersBase + POOL.client_connections]! -= 1;
    this.options.onClientGone(session);
  }

  random(): number {
    return Math.random();
  }

  nextClientId(): number {
    return this.options.nextClientId();
  }

  count(requests: number, local: number, protocolErrors: number): void {
    const { counters, countersBase } = this;
    counters[countersBase + POOL.requests]! += requests;
    counters[countersBase + POOL.local_requests]! += local;
    counters[countersBase + POOL.protocol_errors]! += protocolErrors;
  }

  onForeign(foreign: Foreign, peer: string): void {
    const { pool, form, log, logLimit } = this.options;
    const warn = log.warn.bind(log);
    warnOfForeign({ pool, form, limit: logLimit, warn }, foreign, peer, this.turn.nowMs);
  }

  /** Has kinds of connections that are unused forgotten, when they are. */
  private sweep(deadlines: Deadlines): Deadline {
    const { variants, turn } = this;
    const sweeping = deadlines.create((nowMs) => {
      sweeping.setNoLater(variants.sweep(nowMs, this.forgetVariant));
    });
    variants.onUnused = () => sweeping.setNoLater(turn.nowMs + SWEEP_MS);
    return sweeping;
  }

  private readonly forgetVariant = (number: number): boolean => {
    let areForgotten = true;
    for (const server of this.servers) areForgotten = server.forgetVariant(number) && areForgotten;
    if (areForgotten) this.plan.giveUp(number);
    return areForgotten;
  };

  /** Idle clients leave at once, the others after their last reply. */
  drain(): void {
    inSlices(this.sessions, (session) => session.drain());
  }

  close(): void {
    for (const session of [...this.sessions]) session.close();
    this.hubs.close();
    this.sweeping.cancel();
    this.ejections?.close();
    for (const server of this.servers) server.close();
  }
}
