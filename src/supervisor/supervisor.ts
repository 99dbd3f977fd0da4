/**
 * The supervisor: owns the sockets, the statistics memory, the pid file and the children, and touches no traffic.
 *
 *   starting ─all workers ready─▶ serving ─QUIT─▶ draining ─┐
 *      └──────────── TERM, INT, or it cannot start ─────────┴▶ stopping ─▶ exit code
 */
import type { Config } from "../api/config.ts";
import {
  ADMIN_LISTEN_FD,
  type RunAs,
  type ToAcceptor,
  type ToAdmin,
  type ToWorker,
} from "../api/control.ts";
import type { StatsLayout } from "../api/stats.ts";
import { exitOnFault } from "../base/fatal.ts";
import { createLogger, LOG_LEVELS, type Logger } from "../base/log.ts";
import { createStatsLayout, statsByteLength } from "../metrics/layout.ts";
import { closeFd } from "../os/fd.ts";
import { createParcelPair } from "../os/fd-passing.ts";
import { raiseOpenFiles } from "../os/open-files.ts";
import { OsError } from "../os/os-error.ts";
import { setProcessName } from "../os/process.ts";
import { createSharedMemory } from "../os/shared-memory.ts";
import type { SocketPair } from "../os/socket-pair.ts";
import { usableCores } from "../os/usable-cores.ts";
import { takeActivatedSockets } from "./activation.ts";
import { ChildKeeper, type KeeperEvents } from "./child-keeper.ts";
import { Intake } from "./intake.ts";
import { giveSocketFiles } from "./listener-options.ts";
import { type Listeners, openListeners } from "./listeners.ts";
import { claimPidFile } from "./pid-file.ts";
import { giveLogFile, resolveRunAs } from "./run-as.ts";
import { createServiceManager, type ServiceManager } from "./service-manager.ts";
import { type Intent, watchSignals } from "./signals.ts";
import { StartError } from "./start-error.ts";
import { TICK_MS } from "./watchdog.ts";

export interface SupervisorOptions {
  readonly version: string;
  /** Children get no stdout and stderr: nothing may keep the terminal of a daemon open. */
  readonly isDaemon: boolean;
  /** All workers are ready for the first time. */
  onReady(facts: ReadyFacts): void;
}

export interface ReadyFacts {
  readonly pid: number;
  readonly workers: number;
  /** "alpha=127.0.0.1:22121"; a pool's port 0 is replaced by what the system chose. */
  readonly addresses: readonly string[];
}

/** As long as no worker was ever ready, this many deaths in a row of one of them mean that it cannot work. */
const START_DEATHS_MAX = 5;

/**
 * Runs the proxy until a signal ends it.
 * @returns the exit code. @throws StartError when it cannot start; nothing is left running then.
 */
export async function runSupervisor(config: Config, options: SupervisorOptions): Promise<number> {
  const log = openLog(config);
  exitOnFault(log);
  setProcessName("proxy");
  const workers = config.workers === "auto" ? usableCores() : config.workers;
  raiseLimit(config, log);
  const runAs = resolveRunAs(config);
  giveLogFile(config.log.file, runAs);
  const pidFile = config.pidFile === null ? null : claimPidFile(config.pidFile);
  let listeners: Listeners;
  try {
    listeners = await openListeners(config, workers, takeActivatedSockets(process.env));
    giveSocketFiles(config.pools, runAs);
  } catch (error) {
    pidFile?.remove();
    throw error;
  }
  try {
    const supervisor = new Supervisor({ config, options, log, workers, listeners, runAs });
    pidFile?.write();
    return await supervisor.run();
  } catch (error) {
    // A limit of the system, met before anything ran.
    throw error instanceof OsError ? new StartError([error.message]) : error;
  } finally {
    listeners.close();
    pidFile?.remove();
  }
}

interface Parts {
  readonly config: Config;
  readonly options: SupervisorOptions;
  readonly log: Logger;
  readonly workers: number;
  readonly listeners: Listeners;
  readonly runAs: RunAs | null;
}

class Supervisor {
  #config: Config;
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #listeners: Listeners;
  readonly #intake: Intake;
  readonly #runAs: { readonly runAs?: RunAs };
  readonly #manager: ServiceManager;
  readonly #layout: StatsLayout;
  readonly #statsFd: number;
  readonly #startedAtMs = Date.now();
  readonly #workers: ChildKeeper<ToWorker>[] = [];
  readonly #admins: ChildKeeper<ToAdmin>[] = [];
  readonly #acceptors: ChildKeeper<ToAcceptor>[] = [];
  readonly #handovers: SocketPair[] = [];
  #births = 0;
  readonly #done = Promise.withResolvers<number>();
  #phase: "starting" | "serving" | "draining" | "stopping" = "starting";
  /** Children that have not left yet. */
  #present = 0;
  /** Why it could not start; rejects `run` once all children are gone. */
  #startError: StartError | null = null;

  constructor(parts: Parts) {
    this.#config = parts.config;
    this.#options = parts.options;
    this.#log = parts.log;
    this.#listeners = parts.listeners;
    this.#intake = new Intake({
      accept: parts.config.accept,
      workers: parts.workers,
      slotOf: (index) => index,
      listeners: (index) => parts.listeners.forWorker(index),
    });
    this.#runAs = parts.runAs === null ? {} : { runAs: parts.runAs };
    this.#manager = createServiceManager(process.env, parts.log);
    this.#layout = createStatsLayout(parts.config, parts.workers);
    this.#statsFd = createSharedMemory("proxy-stats", statsByteLength(this.#layout));
    for (let slot = 0; slot < parts.workers; slot += 1) {
      this.#workers.push(this.#createWorker(slot, parts.workers));
    }
    if (this.#listeners.statsFd !== null) this.#admins.push(this.#createAdmin());
    if (this.#intake.isDispatched) this.#acceptors.push(this.#createAcceptor());
  }

  async run(): Promise<number> {
    watchSignals((intent, signal) => this.#onIntent(intent, signal));
    const ticker = setInterval(() => {
      for (const child of [...this.#workers, ...this.#acceptors]) child.tick();
    }, TICK_MS);
    const children = this.#children();
    this.#present = children.length;
    // If one cannot be started, all are stopped, also those whose turn would come.
    for (const child of children) child.start();
    try {
      return await this.#done.promise;
    } finally {
      clearInterval(ticker);
      this.#intake.close();
      this.#manager.close();
      this.#log.info("stopped");
    }
  }

  #createWorker(slot: number, workers: number): ChildKeeper<ToWorker> {
    const name = `worker/${slot}`;
    const plan = {
      name,
      title: `proxy: worker ${slot}`,
      role: "__worker",
      isSilent: this.#options.isDaemon,
      answers: true,
      fds: () => [this.#statsFd, this.#renewHandover(slot), ...this.#intake.forWorker(slot).fds],
      startMessage: (): ToWorker => ({
        type: "start",
        slot,
        birth: this.#births++,
        workers,
        config: this.#config,
        ...this.#intake.forWorker(slot).start,
        ...this.#runAs,
        stats: this.#layout,
      }),
    };
    return new ChildKeeper(plan, this.#childEvents(name), this.#log);
  }

  /** A fresh hand-over socket for the worker that is about to start; that of its predecessor is closed. */
  #renewHandover(slot: number): number {
    const old = this.#handovers[slot];
    if (old !== undefined) for (const fd of [old.ours, old.theirs]) closeFd(fd);
    const pair = createParcelPair();
    this.#handovers[slot] = pair;
    return pair.theirs;
  }

  #createAdmin(): ChildKeeper<ToAdmin> {
    const plan = {
      name: "admin",
      title: "proxy: admin",
      role: "__admin",
      isSilent: this.#options.isDaemon,
      answers: false,
      fds: () => [
        this.#statsFd,
        ...(this.#listeners.statsFd === null ? [] : [this.#listeners.statsFd]),
      ],
      startMessage: (): ToAdmin => ({
        type: "start",
        config: this.#config,
        stats: this.#layout,
        statsListenFd: this.#listeners.statsFd === null ? null : ADMIN_LISTEN_FD,
        version: this.#options.version,
        startedAtMs: this.#startedAtMs,
        ...this.#runAs,
      }),
    };
    return new ChildKeeper(plan, this.#childEvents("admin"), this.#log);
  }

  #createAcceptor(): ChildKeeper<ToAcceptor> {
    const plan = {
      name: "acceptor",
      title: "proxy: acceptor",
      role: "__acceptor",
      isSilent: this.#options.isDaemon,
      answers: true,
      fds: () => [this.#statsFd, ...this.#intake.forAcceptor().fds],
      startMessage: (): ToAcceptor => ({
        type: "start",
        config: this.#config,
        stats: this.#layout,
        ...this.#intake.forAcceptor().start,
        ...this.#runAs,
      }),
    };
    return new ChildKeeper(plan, this.#childEvents("acceptor"), this.#log);
  }

  #childEvents(name: string): KeeperEvents {
    return {
      onReady: () => this.#onWorkerReady(),
      onDeath: (earlyDeaths, reason) => this.#onDeath(name, earlyDeaths, reason),
      onGone: () => this.#onGone(),
    };
  }

  #onWorkerReady(): void {
    if (this.#phase !== "starting") return;
    if (!this.#workers.every((worker) => worker.isServing)) return;
    this.#phase = "serving";
    const addresses = this.#listeners.addresses;
    const workers = this.#workers.length;
    this.#log.info("ready", {
      version: this.#options.version,
      pid: process.pid,
      workers,
      listen: addresses.join(" "),
    });
    this.#manager.ready(`Serving with ${workers} workers: ${addresses.join(" ")}`);
    this.#options.onReady({ pid: process.pid, workers, addresses });
  }

  /** Later a dead worker is replaced whatever it died of; but a proxy that never worked must not pretend to. */
  #onDeath(name: string, earlyDeaths: number, reason: string | null): void {
    if (this.#phase !== "starting") return;
    if (reason === null && earlyDeaths < START_DEATHS_MAX) return;
    const why = reason ?? `died ${earlyDeaths} times in a row right after its start`;
    this.#startError ??= new StartError([`${name}: ${why}`]);
    this.#stop();
  }

  #onGone(): void {
    this.#present -= 1;
    if (this.#present > 0) return;
    if (this.#startError === null) this.#done.resolve(0);
    else this.#done.reject(this.#startError);
  }

  #onIntent(intent: Intent, signal: string): void {
    switch (intent) {
      case "stop":
        this.#log.info("stopping", { signal });
        this.#stop();
        break;
      case "drain":
        this.#drain(signal);
        break;
      case "reopen_logs":
        this.#log.reopen();
        giveLogFile(this.#config.log.file, this.#runAs.runAs ?? null);
        for (const child of this.#children()) child.send({ type: "reopen_log" });
        this.#log.info("log files were opened again", { signal });
        break;
      case "log_more":
        this.#shiftLogLevel(1);
        break;
      case "log_less":
        this.#shiftLogLevel(-1);
        break;
    }
  }

  #stop(): void {
    if (this.#phase === "stopping") return;
    this.#phase = "stopping";
    this.#manager.stopping("Stopping");
    this.#listeners.close();
    for (const child of this.#children()) child.stop();
  }

  #drain(signal: string): void {
    if (this.#phase === "draining" || this.#phase === "stopping") return;
    this.#phase = "draining";
    const timeoutMs = this.#config.drainTimeoutMs;
    this.#log.info("draining", { signal, timeoutMs });
    // With our sockets closed, too, new clients are refused instead of waiting for nobody.
    this.#manager.stopping("Draining: clients finish what they have begun");
    this.#listeners.close();
    for (const acceptor of this.#acceptors) acceptor.stop();
    for (const worker of this.#workers) worker.drain(timeoutMs);
    for (const admin of this.#admins) admin.stop();
  }

  #shiftLogLevel(steps: number): void {
    const index = LOG_LEVELS.indexOf(this.#config.log.level) + steps;
    const level = LOG_LEVELS[Math.min(Math.max(index, 0), LOG_LEVELS.length - 1)] ?? "info";
    // Also for those that are started later.
    this.#config = { ...this.#config, log: { ...this.#config.log, level } };
    this.#log.setLevel(level);
    for (const worker of this.#workers) worker.send({ type: "log_level", level });
    this.#log.warn("log level changed", { level });
  }

  #children(): (ChildKeeper<ToWorker> | ChildKeeper<ToAdmin> | ChildKeeper<ToAcceptor>)[] {
    return [...this.#workers, ...this.#admins, ...this.#acceptors];
  }
}

function openLog(config: Config): Logger {
  try {
    return createLogger({ ...config.log, process: "supervisor" });
  } catch (error) {
    throw new StartError([(error as Error).message]);
  }
}

/** Children inherit the limit. Too few descriptors are no reason not to serve: clients beyond them are turned away. */
function raiseLimit({ openFiles }: Config, log: Logger): void {
  if (openFiles === null) return;
  const limit = raiseOpenFiles(openFiles);
  if (limit < openFiles)
    log.warn("cannot raise the limit of open files", { wanted: openFiles, limit });
}
