/** What the Redis clients of one pool in one worker share. */

import type { ClientPort } from "../../api/client-port.ts";
import type { PoolConfig } from "../../api/config.ts";
import type { Filtering } from "../../api/filter.ts";
import type { Frontend } from "../../api/frontend.ts";
import type { KeyCut } from "../../api/key-cut.ts";
import type { GroupMove, ReceivedPart } from "../../api/move.ts";
import type { UpstreamProtocol } from "../../api/protocol.ts";
import type {
  KeyMoving,
  PoolHost,
  ProtocolPool,
  ReplyReader,
  RequestSummary,
} from "../../api/protocol-module.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { Topology } from "../../api/topology.ts";
import type { TtlCap } from "../../api/ttl-cap.ts";
import type { ConnectionKind, DecorateLink, Route } from "../../api/upstream.ts";
import { assert } from "../../base/assert.ts";
import type { Deadline } from "../../base/deadlines.ts";
import { SliceQueue } from "../../base/slice-queue.ts";
import { parseClientTarget } from "../../config/client-target.ts";
import { parseIpRange } from "../../os/ip-range.ts";
import { warnOfForeign } from "../foreign-clients.ts";
import { operatorsOf } from "../operators.ts";
import type { SavedRedisClient } from "./client/client-state.ts";
import { describeRequest } from "./client/describe-request.ts";
import { createRedisFiltering } from "./client/filtering.ts";
import { VariantTable } from "./client/identity/variant-table.ts";
import { createInnerFrontend } from "./client/inner-frontend.ts";
import { RedisKeyCut } from "./client/key-cut.ts";
import { redisReplyReader } from "./client/key-size.ts";
import { CommandLearner } from "./client/learn-commands.ts";
import { ClientDirectory } from "./client/local/client-directory.ts";
import { Maintenance } from "./client/maintenance.ts";
import { SharedSubscriptions } from "./client/pubsub/shared-subscriptions.ts";
import { adoptSubscriptionPart, SubscriptionMove } from "./client/pubsub/subscription-move.ts";
import { RedisFrontend } from "./client/redis-frontend.ts";
import type { RedisPool } from "./client/redis-pool.ts";
import { loadFor } from "./client/scripts/handler.ts";
import { ScriptMemory } from "./client/scripts/memory.ts";
import { SentRequestReader } from "./client/sent-request-reader.ts";
import { RedisTtlCap } from "./client/ttl-cap.ts";
import { Cluster } from "./cluster/cluster.ts";
import { encodeError } from "./codec/encode.ts";
import type { CommandPolicy } from "./commands/command.ts";
import type { CommandFacts } from "./commands/command-facts.ts";
import { CommandTable } from "./commands/command-table.ts";
import { REDIS_METRICS } from "./metrics.ts";
import { answerKeyCounts } from "./migrate/count-keys.ts";
import { KeyGate } from "./migrate/key-gate.ts";
import { KeyMover } from "./migrate/key-mover.ts";
import { type RedisOptions, readRedisOptions } from "./options.ts";
import { type Parking, parkingOf } from "./redirect/parking.ts";
import { Redirector } from "./redirect/redirector.ts";
import type { ServerFollower } from "./redirect/server-follower.ts";
import { Readers, type ReadingOptions } from "./replicas/readers.ts";
import { Sentinels } from "./sentinel/sentinels.ts";

/** So long after a client has left its kind of connection it is looked whether kinds are unused: for many clients at once. */
const SWEEP_MS = 100;

export class RedisProtocolPool implements ProtocolPool {
  readonly filtering: Filtering;
  readonly tooManyClients: Buffer;
  readonly noDescriptors: Buffer;
  private readonly host: PoolHost;
  private readonly pool: RedisPool;
  readonly topology?: Topology;
  readonly decorate?: DecorateLink;
  readonly keyMoving?: KeyMoving;
  private readonly follower: ServerFollower | null;
  /** Has primaries do what their replicas do not, where servers are listed; null: no replica is read, or they are followed. */
  private readonly redirector: Redirector | null;
  private readonly parking: Parking;
  private readonly reading: ReadingOptions;
  /** When to look for kinds of connections that are unused. */
  private readonly sweeping: Deadline;

  constructor(host: PoolHost) {
    this.host = host;
    this.parking = parkingOf(readRedisOptions(host.config.options));
    this.reading = readingOf(readRedisOptions(host.config.options));
    this.pool = createPool(host, this.parking, this.reading);
    const { follower, gate } = this.pool;
    if (gate !== null) {
      this.keyMoving = gate.mover;
      answerKeyCounts(host);
    }
    this.follower = follower;
    if (follower !== null) {
      this.topology = follower.topology;
      follower.onSentElsewhere((command, view, link) => loadFor(this.pool, command, view, link));
    }
    const isRedirected = follower === null && this.pool.readers !== null;
    this.redirector = isRedirected
      ? new Redirector(host, null, this.pool.commands, this.parking)
      : null;
    const decorate = follower?.decorate ?? this.redirector?.decorate;
    if (decorate !== undefined) this.decorate = decorate;
    this.tooManyClients = encodeError("ERR max number of clients reached");
    this.noDescriptors = encodeError(
      `ERR max number of clients reached (the proxy's limit of open files, ${host.openFiles}, is reached)`,
    );
    this.filtering = createRedisFiltering(this.pool.commands);
    this.sweeping = this.sweep();
  }

  onSettings(): void {
    const { config } = this.host;
    const own = readRedisOptions(config.options);
    this.pool.mgetErrors = own.mgetErrors;
    Object.assign(this.parking, parkingOf(own));
    Object.assign(this.reading, readingOf(own));
    this.pool.readers?.onChange();
    this.pool.commands.follow(policyOf(own, config));
  }

  get serverProtocols(): readonly UpstreamProtocol[] {
    return this.pool.variants.protocols;
  }

  readonly replyReader: ReplyReader = redisReplyReader;

  describe(bytes: Buffer, length: number, index: number): RequestSummary | null {
    return describeRequest(this.pool.commands, bytes, length, index);
  }

  get readsReplicas(): boolean {
    return this.pool.readers !== null;
  }

  get replicaProtocols(): readonly UpstreamProtocol[] {
    const { cluster, variants } = this.pool;
    return cluster === null ? variants.protocols : variants.replicaProtocols;
  }

  createRequestReader(): RequestReader {
    return new SentRequestReader(this.pool.commands);
  }

  createTtlCap(_kind: ConnectionKind, seconds: number): TtlCap {
    return new RedisTtlCap(this.pool.commands, seconds);
  }

  createKeyCut(prefix: Buffer): KeyCut {
    return new RedisKeyCut(this.pool.commands, prefix);
  }

  createInnerFrontend(client: ClientPort, route: Route, kind: ConnectionKind): Frontend {
    return createInnerFrontend(this.pool, client, route, kind);
  }

  sendClientsTo(target: string | null): void {
    this.pool.maintenance.evacuation.follow(target === null ? null : this.placeOf(target));
  }

  /** What is said without a port is meant with the pool's own. Null: it has none. */
  private placeOf(target: string): string | null {
    const { listen } = this.host.config;
    const place = parseClientTarget(target);
    const port = place?.port ?? (listen.kind === "tcp" ? listen.port : null);
    return place === null || port === null ? null : `${place.host}:${port}`;
  }

  holdKindOf(other: ProtocolPool, kind: ConnectionKind): ConnectionKind {
    assert(other instanceof RedisProtocolPool, "a route leads to pools of the same protocol");
    return this.pool.variants.keepLike(other.pool.variants, kind);
  }

  releaseKind(kind: ConnectionKind): void {
    this.pool.variants.releaseLike(kind);
  }

  lastWords(text: string): Buffer {
    return encodeError(`ERR ${text}`);
  }

  createFrontend(client: ClientPort, saved: unknown, descriptors: readonly number[]): Frontend {
    return new RedisFrontend(this.pool, client, saved as SavedRedisClient | undefined, descriptors);
  }

  groupMoves(format: number): readonly GroupMove[] {
    return this.pool.sharedSubscriptions.all.map((shared) => new SubscriptionMove(shared, format));
  }

  adoptPart(part: ReceivedPart): void {
    adoptSubscriptionPart(this.pool, part);
  }

  onGroupComplete(group: string): void {
    this.pool.sharedSubscriptions.arrivals.start(group);
  }

  onRouteChange(): void {
    this.follower?.onRouteChange();
    this.redirector?.onRouteChange();
    this.pool.readers?.onChange();
    this.pool.sharedSubscriptions.onRouteChange();
  }

  /** Has kinds of connections that are unused forgotten, when they are. */
  private sweep(): Deadline {
    const { host, pool } = this;
    const { turn, variants } = pool;
    const forget = (variant: ConnectionKind): boolean =>
      this.follower?.holds(variant) !== true && host.forgetVariant(variant);
    const sweeping = host.deadlines.create((nowMs) => {
      sweeping.setNoLater(variants.sweep(nowMs, forget));
    });
    variants.onUnused = () => sweeping.setNoLater(turn.nowMs + SWEEP_MS);
    return sweeping;
  }

  close(): void {
    this.follower?.close();
    this.redirector?.close();
    this.pool.readers?.close();
    this.pool.maintenance.evacuation.close();
    this.pool.sharedSubscriptions.close();
    this.sweeping.cancel();
  }
}

/** Servers do not know it, but clients that look for sentinels ask it of the proxy. */
const SENTINEL: CommandFacts = {
  ...{ name: "SENTINEL", arity: -2, flags: ["stale", "loading", "admin"], positions: [0, 0, 0] },
  ...{ requestPolicy: "", responsePolicy: "", keySpecs: [], isContainer: false, isLearned: false },
};

function policyOf(
  { allowCommands, denyCommands, clusterSeeds }: RedisOptions,
  { servers, route, migrate }: PoolConfig,
): CommandPolicy {
  return {
    ...{ allowed: new Set(allowCommands), denied: new Set(denyCommands) },
    isSharded: servers.length > 1 || clusterSeeds.length > 0 || route != null || migrate === true,
    isCluster: clusterSeeds.length > 0,
  };
}

function readingOf({ readFrom, maxLagMs, ownWritesMs, near }: RedisOptions): ReadingOptions {
  const ranges = near.map(parseIpRange).filter((range) => range !== null);
  return { readFrom, maxLagMs, ownWritesMs, near: ranges.length === 0 ? null : ranges };
}

function createPool(host: PoolHost, parking: Parking, reading: ReadingOptions): RedisPool {
  const { config, route, turn, deadlines, bus } = host;
  const own = readRedisOptions(config.options);
  const { password, database, mgetErrors, clusterSeeds } = own;
  const commands = new CommandTable(policyOf(own, config));
  if (own.sentinels.length > 0) commands.add([SENTINEL]);
  const cluster = clusterSeeds.length === 0 ? null : new Cluster(host, own, commands, parking);
  const follower =
    own.sentinels.length === 0 ? cluster : new Sentinels(host, own, commands, parking);
  const variants = new VariantTable(password, database, () => host.hasRoomForVariant);
  const maintenance = new Maintenance(
    turn,
    deadlines,
    () => host.nextClientId(),
    () => follower?.patienceMs ?? 0,
  );
  follower?.onOutage(
    () => maintenance.begin(),
    () => maintenance.end(),
  );
  // Several pools' servers: each tells a client itself that it wants a password.
  if (config.route != null) variants.access.learn(false);
  return {
    ...{ route, turn, deadlines, bus, commands, variants, password, mgetErrors },
    ...{ cluster, follower },
    // The nodes of a cluster have one slot in a transaction, not all that are theirs.
    splitsTransactions: own.transactions === "split" && cluster === null,
    gate: config.migrate === true ? new KeyGate(new KeyMover(host, variants)) : null,
    readers: own.readFrom === "primary" || config.route != null ? null : new Readers(host, reading),
    hashTag: config.hashTag,
    announced: own.announced,
    unixPath: config.listen.kind === "unix" ? config.listen.path : null,
    learner: new CommandLearner(commands, turn, deadlines),
    scripts: new ScriptMemory(bus, turn),
    slices: new SliceQueue(turn),
    directory: new ClientDirectory(bus, turn),
    maintenance,
    operators: operatorsOf(host),
    sharedSubscriptions: new SharedSubscriptions({
      ...{ route, variants, turn, deadlines, bus, cluster, timeoutMs: () => config.timeoutMs },
      countShared: (by) => host.add("shared_subscriptions", by),
      sharedElsewhere: () => host.elsewhere("shared_subscriptions"),
      nextId: () => host.nextClientId(),
    }),
    random: () => host.random(),
    nextClientId: () => host.nextClientId(),
    count: (requests, local, protocolErrors) => host.count(requests, local, protocolErrors),
    add: (counter, by) => host.add(counter, by),
    onForeign: (foreign, peer) => {
      host.metrics(REDIS_METRICS).add("foreign_clients", 1);
      warnOfForeign(host, foreign, peer);
    },
  };
}
