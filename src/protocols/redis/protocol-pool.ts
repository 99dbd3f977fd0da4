/** What the Redis clients of one pool in one worker share. */
import type { ClientPort } from "../../api/client-port.ts";
import type { Filtering } from "../../api/filter.ts";
import type { Frontend } from "../../api/frontend.ts";
import type { GroupMove, ReceivedPart } from "../../api/move.ts";
import type { UpstreamProtocol } from "../../api/protocol.ts";
import type { PoolHost, ProtocolPool } from "../../api/protocol-module.ts";
import type { Route } from "../../api/upstream.ts";
import type { WorkerBus } from "../../api/worker-bus.ts";
import type { Deadline, Deadlines } from "../../base/deadlines.ts";
import type { Turn } from "../../base/turn.ts";
import type { Foreign } from "../foreign.ts";
import { warnOfForeign } from "../foreign-clients.ts";
import type { SavedRedisClient } from "./client/client-state.ts";
import { createRedisFiltering } from "./client/filtering.ts";
import { VariantTable } from "./client/identity/variant-table.ts";
import { CommandLearner } from "./client/learn-commands.ts";
import { ClientDirectory } from "./client/local/client-directory.ts";
import { SharedSubscriptions } from "./client/pubsub/shared-subscriptions.ts";
import { adoptSubscriptionPart, SubscriptionMove } from "./client/pubsub/subscription-move.ts";
import { RedisFrontend } from "./client/redis-frontend.ts";
import type { RedisPool } from "./client/redis-pool.ts";
import { ScriptMemory } from "./client/scripts/memory.ts";
import { encodeError } from "./codec/encode.ts";
import { CommandTable } from "./commands/command-table.ts";
import { REDIS_METRICS } from "./metrics.ts";
import { type MgetErrors, readRedisOptions } from "./options.ts";

/** So long after a client has left its kind of connection it is looked whether kinds are unused: for many clients at once. */
const SWEEP_MS = 100;

export class RedisProtocolPool implements RedisPool, ProtocolPool {
  readonly filtering: Filtering;
  readonly tooManyClients: Buffer;
  readonly noDescriptors: Buffer;
  readonly route: Route;
  readonly commands: CommandTable;
  readonly learner: CommandLearner;
  readonly password: string | null;
  readonly hashTag: string | null;
  readonly mgetErrors: MgetErrors;
  readonly variants: VariantTable;
  readonly sharedSubscriptions: SharedSubscriptions;
  readonly scripts: ScriptMemory;
  readonly bus: WorkerBus;
  readonly directory: ClientDirectory;
  readonly unixPath: string | null;
  readonly turn: Turn;
  readonly deadlines: Deadlines;

  private readonly host: PoolHost;
  /** When to look for kinds of connections that are unused. */
  private readonly sweeping: Deadline;

  constructor(host: PoolHost) {
    const { config, turn, deadlines, bus, openFiles } = host;
    const own = readRedisOptions(config.options);
    this.host = host;
    this.turn = turn;
    this.deadlines = deadlines;
    this.bus = bus;
    this.route = host.route;
    this.tooManyClients = encodeError("ERR max number of clients reached");
    this.noDescriptors = encodeError(
      `ERR max number of clients reached (the proxy's limit of open files, ${openFiles}, is reached)`,
    );
    this.commands = new CommandTable({
      allowed: new Set(own.allowCommands),
      denied: new Set(own.denyCommands),
      isSharded: config.servers.length > 1,
    });
    this.filtering = createRedisFiltering(this.commands);
    this.learner = new CommandLearner(this.commands, turn);
    this.password = own.password;
    this.hashTag = config.hashTag;
    this.mgetErrors = own.mgetErrors;
    this.unixPath = config.listen.kind === "unix" ? config.listen.path : null;
    this.scripts = new ScriptMemory(bus, turn);
    this.directory = new ClientDirectory(bus, turn);
    this.variants = new VariantTable(own.password, own.database, () => host.hasRoomForVariant);
    this.sweeping = this.sweep();
    this.sharedSubscriptions = new SharedSubscriptions({
      ...{ route: host.route, variants: this.variants, timeoutMs: config.timeoutMs },
      ...{ turn, deadlines, bus },
      countShared: (by) => host.add("shared_subscriptions", by),
      sharedElsewhere: () => host.elsewhere("shared_subscriptions"),
      nextId: () => host.nextClientId(),
    });
  }

  get serverProtocols(): readonly UpstreamProtocol[] {
    return this.variants.protocols;
  }

  createFrontend(client: ClientPort, saved: unknown, descriptors: readonly number[]): Frontend {
    return new RedisFrontend(this, client, saved as SavedRedisClient | undefined, descriptors);
  }

  groupMoves(format: number): readonly GroupMove[] {
    return this.sharedSubscriptions.all.map((shared) => new SubscriptionMove(shared, format));
  }

  adoptPart(part: ReceivedPart): void {
    adoptSubscriptionPart(this, part);
  }

  onGroupComplete(group: string): void {
    this.sharedSubscriptions.arrivals.start(group);
  }

  onRouteChange(): void {
    this.sharedSubscriptions.onRouteChange();
  }

  random(): number {
    return this.host.random();
  }

  nextClientId(): number {
    return this.host.nextClientId();
  }

  count(requests: number, local: number, protocolErrors: number): void {
    this.host.count(requests, local, protocolErrors);
  }

  onForeign(foreign: Foreign, peer: string): void {
    this.host.metrics(REDIS_METRICS).add("foreign_clients", 1);
    warnOfForeign(this.host, foreign, peer);
  }

  /** Has kinds of connections that are unused forgotten, when they are. */
  private sweep(): Deadline {
    const { host, turn, variants } = this;
    const forget = (variant: number): boolean => host.forgetVariant(variant);
    const sweeping = host.deadlines.create((nowMs) => {
      sweeping.setNoLater(variants.sweep(nowMs, forget));
    });
    variants.onUnused = () => sweeping.setNoLater(turn.nowMs + SWEEP_MS);
    return sweeping;
  }

  close(): void {
    this.sharedSubscriptions.close();
    this.sweeping.cancel();
  }
}
