/** What a pool in a worker is made of, and what it shares with the other pools there. */
import type { Config, PoolConfig } from "../api/config.ts";
import type { Engine } from "../api/engine.ts";
import type { KeyReport } from "../api/key-report.ts";
import type { StatsLayout } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { WorkerBus } from "../api/worker-bus.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Turn } from "../base/turn.ts";
import type { ClientMemory } from "../client/client-memory.ts";
import type { RequestTape } from "../client/request-tape.ts";
import type { Session } from "../client/session.ts";
import type { WorkerModules } from "../modules/worker-modules.ts";
import type { PartialReplies } from "../server/partial-replies.ts";
import type { Zone } from "../topology/zone.ts";
import type { LeafPlane } from "./leaf-plane.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { SlowReports } from "./slow-reports.ts";

export interface PoolPlaneOptions {
  readonly pool: PoolConfig;
  /** Worker processes in all. */
  readonly workers: number;
  /** Of the configuration file. */
  readonly form: Config["form"];
  /** The one that the proxy is in; null: none. */
  readonly zone: Zone | null;
  readonly layout: StatsLayout["pools"][number];
  readonly turn: Turn;
  readonly engine: Engine;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  readonly log: Logger;
  /** Shared by all pools. */
  readonly logLimit: LogLimit;
  readonly modules: WorkerModules;
  /** Shared by all pools. */
  readonly memory: ClientMemory;
  readonly partialReplies: PartialReplies;
  readonly counters: Float64Array;
  /** The same pool in other workers. */
  readonly bus: WorkerBus;
  readonly metrics: WorkerMetrics;
  /** Shared by all pools. */
  readonly tape: RequestTape;
  readonly slowReports: Pick<SlowReports, "hasRoom" | "add">;
  readonly tellKeys: (report: KeyReport) => void;
  /** A gauge of this pool, over all workers. */
  readonly everywhere: (gauge: number) => number;
  /** False: this process is out of file descriptors for a client that needs so many. */
  readonly makeRoom: (descriptors: 1 | 2) => boolean;
  /** Says `words` to a client that may not stay; the result is what `accept` returns. */
  readonly refuse: (stream: Stream, words: Buffer) => StreamEvents | null;
  /** Of this process. */
  readonly descriptors: DescriptorBudget;
  /** Connections of each kind to each server, as far as there are descriptors. */
  readonly perServer: number;
  /** A number that no other client of any worker has. */
  readonly nextClientId: () => number;
  /** A pool that a tree of routes leads to. Absent: there are no other pools. */
  readonly leafOf?: (pool: string) => LeafPlane;
  readonly onClientGone: (session: Session) => void;
}
