/** What a server of a pool is made of, and what it shares with others. */
import type { PoolConfig } from "../api/config.ts";
import type { Engine } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { Member } from "../api/topology.ts";
import type { DecorateLink } from "../api/upstream.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Schedule } from "../base/schedule.ts";
import type { Turn } from "../base/turn.ts";
import type { ConnectionPlan } from "./connection-plan.ts";
import type { Ejections } from "./ejections.ts";
import type { PartialReplies } from "./partial-replies.ts";
import type { ServerTimes } from "./server-times.ts";

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
  /** Connections to the server that this worker makes at once. */
  readonly connectsAtOnce?: number;
  /** The server that is `member` of its pool was up, and is suspect. */
  readonly onSuspect?: (member: string) => void;
  /** Called when it is down, and when it is up again, in a pool that does not eject it. */
  readonly onDownOrUp?: (() => void) | undefined;
}
