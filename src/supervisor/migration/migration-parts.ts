/** What the migrations of a proxy need of it. */
import type { ToWorker } from "../../api/control.ts";
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { MigrationOrder, RingPlan, ServerSweep } from "../../api/migration.ts";
import type { FromSweeper, ToSweeper } from "../../api/sweeper.ts";
import type { Logger } from "../../base/log.ts";
import type { Course } from "../../migration/course.ts";

/** A worker, as far as it goes by orders. */
export interface Follower {
  readonly name: string;
  send(message: ToWorker): void;
}

/** The process that sweeps. */
export interface SweeperSlot {
  /** It is there, or is being started or ended. */
  readonly isThere: boolean;
  start(): void;
  stop(): void;
  send(order: MigrationOrder): void;
  tell(message: ToSweeper): void;
  reopenLog(): void;
  /** Called once a second. */
  tick(): void;
  readonly statuses: readonly ProcessStatus[];
}

export interface MigrationsOptions {
  readonly log: Logger;
  /** All that have a process, of all generations. */
  workers(): readonly Follower[];
  /** One generation serves, and no other is there. */
  isAlone(): boolean;
  /** Does it unless something else is going on, and has nothing else begin meanwhile. @returns false: something else is going on */
  alone(act: () => Promise<void>): Promise<boolean>;
  /** @param order asked at each start of its process */
  readonly sweeper: (events: SweeperEvents, order: () => MigrationOrder) => SweeperSlot;
  /** Workers that this supervisor has not started have ended so long after its start. */
  orphanMs(): number;
}

export interface SweeperEvents {
  onMessage(message: FromSweeper): void;
  /** It is replaced, as a rule. */
  onDeath?(): void;
  onGone(): void;
}

/** What is known of a pool besides what is written down. */
export interface PoolState {
  readonly course: Course<Follower>;
  /** Of the current migration, before it: null: it was not looked so far; a text: what is in the way; "": nothing. */
  checked: string | null;
  problem: string | null;
  retryAtMs: number;
  retries: number;
  sweeps: readonly ServerSweep[];
  /** What the configuration asks for; null: it is not known so far. */
  wanted: RingPlan | null;
}
