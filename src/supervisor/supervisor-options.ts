/** What a supervisor is told by the command that starts it, and what parts of it a reload or an upgrade works on. */
import type { Config } from "../api/config.ts";
import type { Logger } from "../base/log.ts";
import type { ChangeLock, ChangeName } from "./change/change-lock.ts";
import type { ControlServer } from "./control/control-server.ts";
import type { EventRing } from "./events.ts";
import type { Generations } from "./generation/generations.ts";
import type { KeyStatistics } from "./inspection/key-statistics.ts";
import type { SlowLog } from "./inspection/slow-log.ts";
import type { Migrations } from "./migration/migrations.ts";
import type { Phase } from "./phase.ts";
import type { AdminSlot } from "./process/admin-slot.ts";
import type { Program } from "./program/program.ts";
import type { Listeners } from "./sockets/listeners.ts";
import type { StatsStore } from "./stats/stats-store.ts";
import type { Steering } from "./steering/steering.ts";
import type { PidFile } from "./system/pid-file.ts";
import type { ServiceManager } from "./system/service-manager.ts";
import type { SignalQueue } from "./system/signals.ts";

/** Where the configuration comes from, to read it again. */
export interface ConfigSource {
  /** The command line without the program: its flags lie over the file, also for the program that replaces this one. */
  readonly runArguments: readonly string[];
}

export interface SupervisorOptions {
  /** Null: it can be neither reloaded nor upgraded. */
  readonly source: ConfigSource | null;
  /** Children get no stdout and stderr: nothing may keep the terminal of a daemon open. */
  readonly isDaemon: boolean;
  readonly signals: SignalQueue;
  /** WINCH then only means that its window changed. */
  readonly hasTerminal: boolean;
  /** All workers are ready for the first time. */
  onReady(facts: ReadyFacts): void;
}

export interface ReadyFacts {
  readonly pid: number;
  readonly workers: number;
  /** "alpha=127.0.0.1:22121"; a pool's port 0 is replaced by what the system chose. */
  readonly addresses: readonly string[];
}

/** What it owns from the start; the function that made them (see run-supervisor.ts) removes them in the end. */
export interface Resources {
  readonly listeners: Listeners;
  readonly stats: StatsStore;
  readonly manager: ServiceManager;
  readonly events: EventRing;
  readonly slowLog: SlowLog;
  readonly keys: KeyStatistics;
  pidFile: PidFile | null;
  control: ControlServer | null;
}

/** The supervisor, as those see it that change what it serves. */
export interface ChangeTarget {
  /** As the file was read, with the command line over it. */
  readonly config: Config;
  /** The same with what was set since. */
  readonly running: Config;
  readonly steering: Steering;
  readonly migrations: Migrations;
  /** Every process that is started from now on is of this program. */
  program: Program;
  readonly log: Logger;
  readonly options: SupervisorOptions;
  readonly resources: Resources;
  readonly generations: Generations;
  readonly admin: AdminSlot;
  readonly startedAtMs: number;
  readonly phase: Phase;
  readonly changes: ChangeLock;
  /** What a signal asked for while something else was going on. */
  readonly postponed: ChangeName | null;
  /** No worker serves, until there is a new generation. */
  readonly isPaused: boolean;
  /** Listens for commands where `config` says. @throws Error in one line */
  openControl(config: Config): ControlServer | null;
  /** A generation of `config` serves from now on. What was set since the last one is dropped, unless it `keepsSettings`. */
  commit(config: Config, keepsSettings: boolean): void;
  /** A change that took long must not undo a stop that came meanwhile. @throws StartError */
  checkServing(): void;
}
