/** What the migrations of a proxy need of it. */

import type { Config, PoolConfig } from "../../api/config.ts";
import type { ToWorker } from "../../api/control.ts";
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { HostsStatus } from "../../api/hosts.ts";
import type { MigrationOrder, PoolMigration, RingPlan, ServerSweep } from "../../api/migration.ts";
import type { FromSweeper, ToSweeper } from "../../api/sweeper.ts";
import type { Logger } from "../../base/log.ts";
import type { CourseRecord } from "../../migration/course-record.ts";
import type { MigrationLog } from "./migration-log.ts";
import type { StateFile } from "./state-file.ts";

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

/** The course of one pool, of whatever kind. */
export interface PoolCourse {
  readonly record: CourseRecord;
  readonly order: PoolMigration;
  /** Keys are to be moved that no client asks for. */
  readonly wantsSweep: boolean;
  /** It is to be looked whether something is in the way of a change of rings. */
  readonly wantsCheck: boolean;
  onQuiet(worker: Follower): void;
  onGone(worker: Follower): void;
}

/** Decides when rings change: for the workers of this host, or together with other hosts. */
export interface Driver {
  create(pool: string, record: CourseRecord): PoolCourse;
  /** Null: no other hosts. */
  readonly hosts: HostsStatus | null;
  /** What a change of the pool's ring waits for; null: nothing that others do. */
  waitsFor(pool: string): string | null;
  /** What of the options of `config` cannot hold now. */
  problemsOf(config: Config): readonly string[];
  /** See Migrations. @throws StartError */
  prepare(pools: readonly PoolConfig[], before: Config | null): Promise<void>;
  abandon(): void;
  /** @param gone pools that there were */
  commit(config: Config, gone: readonly string[]): void;
  /** Called once a second. */
  tick(): void;
  /** No change of rings begins, until it is told so. */
  rest(isResting: boolean): void;
  /** A change of rings is under way. */
  readonly isSwitching: boolean;
  onSwept(pool: string, address: string, epoch: number): void;
  /** @returns whether that is written down */
  pause(pool: string, isPaused: boolean): Promise<boolean>;
  /** @throws StartError */
  cancel(pool: string): Promise<void>;
  /** @throws StartError */
  forget(host: string): Promise<void>;
  /** No process of this host is there any more. */
  leave(): Promise<void>;
}

/** What a driver has of the migrations that it is for. */
export interface Driven {
  readonly options: MigrationsOptions;
  readonly log: MigrationLog;
  readonly pools: Map<string, PoolState>;
  /** Null: nothing can be written down, and no keys move. */
  readonly file: StateFile | null;
  /** All that a change of rings waits for. */
  followers(): readonly Follower[];
  add(pool: string, record: CourseRecord): PoolState;
  publish(): void;
  tick(): void;
  /** Workers that this supervisor has not started have ended by then, on the clock of `performance.now`. */
  readonly switchesFromMs: number;
}

/** What is known of a pool besides what is written down. */
export interface PoolState {
  readonly course: PoolCourse;
  /** Of the current migration, before it: null: it was not looked so far; a text: what is in the way; "": nothing. */
  checked: string | null;
  problem: string | null;
  retryAtMs: number;
  retries: number;
  sweeps: readonly ServerSweep[];
  /** What the configuration asks for; null: it is not known so far. */
  wanted: RingPlan | null;
}
