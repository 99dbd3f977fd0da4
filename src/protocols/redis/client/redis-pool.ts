import type { PoolCounter } from "../../../api/stats.ts";
import type { Route } from "../../../api/upstream.ts";
import type { WorkerBus } from "../../../api/worker-bus.ts";
import type { Deadlines } from "../../../base/deadlines.ts";
import type { SliceQueue } from "../../../base/slice-queue.ts";
import type { Turn } from "../../../base/turn.ts";
import type { Foreign } from "../../foreign.ts";
import type { Operators } from "../../operators.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { CommandTable } from "../commands/command-table.ts";
import type { KeyGate } from "../migrate/key-gate.ts";
import type { MgetErrors } from "../options.ts";
import type { ServerFollower } from "../redirect/server-follower.ts";
import type { Readers } from "../replicas/readers.ts";
import type { VariantTable } from "./identity/variant-table.ts";
import type { CommandLearner } from "./learn-commands.ts";
import type { ClientDirectory } from "./local/client-directory.ts";
import type { Maintenance } from "./maintenance.ts";
import type { SharedSubscriptions } from "./pubsub/shared-subscriptions.ts";
import type { ScriptMemory } from "./scripts/memory.ts";

/** What the Redis sessions of one pool share. */
export interface RedisPool {
  readonly route: Route;
  /** Its servers are a Redis Cluster; null: they are not. */
  readonly cluster: Cluster | null;
  /** Chooses what reads go to; null: all go to primaries. */
  readonly readers: Readers | null;
  /** Stands before its requests while keys move to other servers; null: its keys never do. */
  readonly gate: KeyGate | null;
  /** Its servers change places and roles; null: they do not. */
  readonly follower: ServerFollower | null;
  /** The commands that this pool knows, and what becomes of each. */
  readonly commands: CommandTable;
  readonly learner: CommandLearner;
  /** Clients must AUTH with it; null: they need not. */
  readonly password: string | null;
  readonly hashTag: string | null;
  /** What clients that look for nodes or masters are told, "host:port"; null: where they have connected. */
  readonly announced: string | null;
  mgetErrors: MgetErrors;
  /** MULTI … EXEC may have keys of several servers, each of which executes its part. */
  readonly splitsTransactions: boolean;
  readonly variants: VariantTable;
  readonly sharedSubscriptions: SharedSubscriptions;
  /** Scripts and functions that were loaded through it. */
  readonly scripts: ScriptMemory;
  /** The same pool in other workers. */
  readonly bus: WorkerBus;
  readonly directory: Pick<ClientDirectory, "add" | "remove" | "list" | "kill" | "whereBlocked">;
  /** Clients that hear when requests wait for a server. */
  readonly maintenance: Maintenance;
  readonly operators: Operators;
  /** Where its clients connect, if that is a unix socket. */
  readonly unixPath: string | null;
  readonly turn: Turn;
  /** Requests that take several turns. */
  readonly slices: SliceQueue;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  /** Between 0 and 1. */
  random(): number;
  nextClientId(): number;
  /** Counts requests, and among them those that no server saw, into the pool's statistics. */
  count(requests: number, local: number, protocolErrors: number): void;
  /** Adds to one of the pool's counters. */
  add(counter: PoolCounter, by: number): void;
  /** Hears of a client that has come to the wrong port, and is sent away. */
  onForeign(foreign: Foreign, peer: string): void;
}
