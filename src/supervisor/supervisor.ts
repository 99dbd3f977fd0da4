/**
 * The supervisor: owns the sockets, the statistics memory, the pid file, the control socket and the children, and
 * touches no traffic.
 *
 *   starting ─all workers ready─▶ serving ◀─reload─▶ paused ─┐ QUIT
 *      │                             └────── WINCH ──▲       ├─▶ draining ─┐
 *      └──────────── TERM, INT, or it cannot start ──────────┴─────────────┴▶ stopping ─▶ exit code
 */
import type { Config } from "../api/config.ts";
import type { RunAs } from "../api/control.ts";
import type { ControlRequest, ControlResult } from "../api/control-socket.ts";
import type { ProcessLogger } from "../base/log.ts";
import { VERSION } from "../base/version.ts";
import { withLive } from "../config/live.ts";
import { workersIn } from "../config/worker-sets.ts";
import { ChangeLock, type ChangeName } from "./change/change-lock.ts";
import { reload } from "./change/reload.ts";
import { type UpgradeOrder, type UpgradeOutcome, upgrade } from "./change/upgrade.ts";
import {
  type Caller,
  ControlServer,
  type ControlSocket,
  openControlSocket,
} from "./control/control-server.ts";
import { answersTo, createStatus, processesOf } from "./control/status.ts";
import { Ending } from "./ending.ts";
import type { Progress } from "./generation/generation-change.ts";
import { Generations } from "./generation/generations.ts";
import { hasWantedSets, wantedSets } from "./generation/wanted-sets.ts";
import { answerInspection } from "./inspection/inspection-requests.ts";
import { Showing } from "./inspection/show.ts";
import { createMigrations } from "./migration/create-migrations.ts";
import { answerMigration } from "./migration/migration-requests.ts";
import type { Migrations } from "./migration/migrations.ts";
import { Phase } from "./phase.ts";
import { adminPlanOf } from "./process/admin-plan.ts";
import { AdminSlot } from "./process/admin-slot.ts";
import { TICK_MS } from "./process/watchdog.ts";
import { type Program, runningProgram } from "./program/program.ts";
import type { SupervisorState } from "./program/supervisor-state.ts";
import { StartError } from "./start-error.ts";
import { Steering } from "./steering/steering.ts";
import { answerSteering, shiftLogLevel } from "./steering/steering-requests.ts";
import type { ChangeTarget, Resources, SupervisorOptions } from "./supervisor-options.ts";
import { followLog, reopenLogs } from "./system/follow-log.ts";
import type { Intent } from "./system/signals.ts";

export interface SupervisorParts {
  readonly config: Config;
  readonly options: SupervisorOptions;
  readonly log: ProcessLogger;
  readonly resources: Resources;
  /** The user that the first generation's processes become; null: they stay what they are, or there is a generation already. */
  readonly runAs: RunAs | null;
  /** What the program before this one left; null: this is the first. */
  readonly state: SupervisorState | null;
}

export class Supervisor implements ChangeTarget {
  config: Config;
  readonly steering: Steering;
  program: Program;
  readonly log: ProcessLogger;
  readonly options: SupervisorOptions;
  readonly resources: Resources;
  readonly generations: Generations;
  readonly migrations: Migrations;
  readonly admin: AdminSlot;
  readonly startedAtMs: number;
  readonly changes: ChangeLock;
  readonly #firstRunAs: RunAs | null;
  readonly phase: Phase = new Phase();
  postponed: ChangeName | null;
  readonly #ending: Ending;

  constructor(parts: SupervisorParts) {
    const { config, options, log, resources, state } = parts;
    this.config = config;
    this.options = options;
    this.log = log;
    this.resources = resources;
    this.#firstRunAs = parts.runAs;
    this.program = runningProgram(state?.programPath);
    this.startedAtMs = state?.startedAtMs ?? Date.now();
    this.changes = new ChangeLock(log, state?.lastChange ?? null);
    this.steering = new Steering(
      {
        ...{ log, workers: () => this.generations.steerable },
        onChange: () => {
          log.setLevel(this.running.log.level);
          this.migrations.onSettings();
        },
      },
      state?.steering ?? null,
    );
    this.postponed = state?.postponed ?? null;
    this.admin = new AdminSlot(log, answersTo(this), () => this.#onChildrenGone());
    this.#ending = new Ending(log, () => processesOf(this));
    this.migrations = createMigrations(
      this,
      state?.migrationRevision ?? null,
      () => this.#runAs,
      () => this.#onChildrenGone(),
    );
    const showing = new Showing(this);
    this.generations = new Generations({
      ...resources,
      ...{ isSilent: options.isDaemon, log, steering: this.steering, migrations: this.migrations },
      show: (pool, table) => showing.show(pool, table),
      onEmpty: () => this.#onChildrenGone(),
    });
    if (state !== null) this.#resume(state);
    options.signals.listen((intent, signal) => this.#onIntent(intent, signal));
  }

  /** @returns the exit code. @throws StartError when it cannot start; nothing is left running then */
  async run(): Promise<number> {
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    if (this.phase.name === "starting") void this.#start();
    else this.#runPostponed();
    try {
      return await this.#ending.code;
    } finally {
      clearInterval(ticker);
      await this.migrations.leave();
      this.log.info("stopped");
      this.#ending.tellCallers();
    }
  }

  #tick(): void {
    this.generations.tick();
    if (this.phase.name === "serving") this.migrations.tick();
    if (this.changes.activity === null) this.#runPostponed();
    this.#ending.tick();
  }

  openControl(config: Config): ControlServer | null {
    const socket = openControlSocket(config);
    return socket === null ? null : this.serveControl(socket);
  }

  serveControl(socket: ControlSocket): ControlServer {
    const { log } = this;
    return new ControlServer(socket, (request, caller) => this.#onRequest(request, caller), log);
  }

  commit(config: Config, keepsSettings: boolean): void {
    this.config = config;
    this.steering.forgetSettings(keepsSettings);
    this.log.setLevel(this.running.log.level);
    followLog(this.log, this.resources.slowLog, config, this.#runAs);
    this.admin.replace(adminPlanOf(this, this.#runAs));
    this.phase.enter("serving");
  }

  get #runAs(): RunAs | null {
    const { serving } = this.generations;
    return serving === null ? this.#firstRunAs : serving.plan.runAs;
  }

  get running(): Config {
    return withLive(this.config, this.steering.settings);
  }

  get isPaused(): boolean {
    return this.phase.name === "paused";
  }

  checkServing(): void {
    const { refusal } = this.phase;
    if (refusal !== null) throw new StartError([refusal]);
  }

  async #start(): Promise<void> {
    const { config, options, generations } = this;
    const sets = wantedSets(config);
    const workers = workersIn(sets);
    try {
      await this.migrations.prepare(config, null);
      await generations.change(config, sets, this.program, () => {});
      this.migrations.commit(config);
    } catch (error) {
      // Stopped before it was ready: that is no failure.
      if (this.phase.name === "starting") {
        this.#ending.startError =
          error instanceof StartError ? error : new StartError([`${error}`]);
        this.#stop();
      }
      this.#onChildrenGone();
      return;
    }
    this.phase.enter("serving");
    this.admin.replace(adminPlanOf(this, this.#runAs));
    const addresses = this.#addresses;
    this.log.info("ready", {
      ...{ version: VERSION, pid: process.pid, workers },
      listen: addresses.join(" "),
      control: this.resources.control?.socket.file.path ?? null,
    });
    this.#tellServing();
    options.onReady({ pid: process.pid, workers, addresses });
    this.#runPostponed();
  }

  #resume(state: SupervisorState): void {
    this.phase.enter("serving", state.servingSinceMs ?? state.startedAtMs);
    this.generations.resume(state.crews, state.config, this.program);
    this.migrations.commit(state.config);
    const { serving } = this.generations;
    if (serving !== null && !hasWantedSets(serving)) this.postponed ??= "reload";
    followLog(this.log, this.resources.slowLog, state.config, this.#runAs);
    const plan = adminPlanOf(this, this.#runAs);
    if (state.admin !== null && plan !== null) this.admin.resume(plan, state.admin);
    this.log.info("ready after an upgrade", { version: VERSION, from: state.version });
    this.#tellServing();
  }

  /** To the service manager, which also hears so of the end of a reload. */
  #tellServing(): void {
    const { serving } = this.generations;
    if (serving === null || this.phase.isEnding) return;
    const { size } = serving.plan;
    this.resources.manager.ready(`Serving with ${size} workers: ${this.#addresses.join(" ")}`);
  }

  get #addresses(): readonly string[] {
    const { serving } = this.generations;
    return serving === null ? [] : this.resources.listeners.addresses(serving.listenerPlan);
  }

  async #onRequest(request: ControlRequest, caller: Caller): Promise<void> {
    const progress: Progress = (text) => caller.progress(text);
    switch (request.verb) {
      case "status":
        caller.result({ ok: true, verb: "status", status: createStatus(this) });
        break;
      case "reload":
        caller.result(await this.reload(request.isDryRun, progress));
        break;
      case "upgrade": {
        const order = { path: request.path, isTrusted: request.isTrusted === true };
        await this.#upgrade(order, progress, caller);
        break;
      }
      case "stop":
        this.#ending.addCaller(caller);
        progress(request.isDrain ? "finishing what is in flight" : "stopping");
        this.log.info("stopping", { asked: "proxy stop" });
        if (request.isDrain) this.#drain(request.timeoutMs ?? this.running.drainTimeoutMs);
        else this.#stop();
        break;
      default:
        caller.result(
          (await answerInspection(this, request, caller)) ??
            (await answerMigration(this, request)) ??
            (await answerSteering(this, request, caller)),
        );
        this.#runPostponed();
    }
  }

  #onIntent(intent: Intent, signal: string): void {
    switch (intent) {
      case "stop":
        this.log.info("stopping", { signal });
        this.#stop();
        break;
      case "drain":
        this.log.info("draining", { signal, timeoutMs: this.running.drainTimeoutMs });
        this.#drain(this.running.drainTimeoutMs);
        break;
      case "drain_workers":
        this.#pause(signal);
        break;
      case "reload":
      case "upgrade":
        this.#changeBySignal(intent);
        break;
      case "reopen_logs":
        this.#reopenLogs(signal);
        break;
      case "log_more":
        shiftLogLevel(this, 1);
        break;
      case "log_less":
        shiftLogLevel(this, -1);
        break;
    }
  }

  #changeBySignal(intent: "reload" | "upgrade"): void {
    if (this.options.source === null) return;
    if (this.changes.activity !== null || this.phase.name === "starting") {
      this.postponed = intent;
      return;
    }
    const progress: Progress = (text) =>
      this.log.info(`${intent}: ${text}`, { event: "change_goes_on" });
    if (intent === "reload") this.#reopenLogs("SIGHUP");
    if (intent === "reload") void this.reload(false, progress);
    else void this.#upgrade({ path: null, isTrusted: false }, progress, null);
  }

  reload(isDryRun: boolean, progress: Progress): Promise<ControlResult> {
    if (isDryRun) return this.#change("reload", () => reload(this, true, progress));
    return this.#change("reload", async () => {
      this.resources.manager.reloading();
      try {
        return await reload(this, false, progress);
      } finally {
        this.#tellServing();
      }
    });
  }

  /** What a signal asked for while something else was going on. */
  #runPostponed(): void {
    const intent = this.postponed;
    this.postponed = null;
    if (intent !== null) this.#changeBySignal(intent);
  }

  async #upgrade(order: UpgradeOrder, progress: Progress, caller: Caller | null): Promise<void> {
    const done: { outcome: UpgradeOutcome | null } = { outcome: null };
    const result = await this.#change(
      "upgrade",
      async () => {
        done.outcome = await upgrade(this, order, progress);
        return done.outcome.result;
      },
      async (outcome) => (await done.outcome?.finish(caller)) ?? outcome,
    );
    caller?.result(result);
  }

  async #change(
    name: ChangeName,
    act: () => Promise<ControlResult>,
    finish: (result: ControlResult) => Promise<ControlResult> = (result) => Promise.resolve(result),
  ): Promise<ControlResult> {
    const { refusal } = this.phase;
    if (refusal !== null) return { ok: false, problems: [refusal] };
    const result = await this.changes.run(name, act, finish);
    this.#runPostponed();
    return result;
  }

  #stop(): void {
    if (this.phase.name === "stopping") return;
    this.phase.enter("stopping");
    this.#ending.comeWithin(0);
    this.resources.manager.stopping("Stopping");
    this.generations.close();
    this.resources.listeners.close();
    this.generations.stop();
    this.migrations.close();
    this.admin.stop();
    this.#onChildrenGone();
  }

  #drain(timeoutMs: number): void {
    // The end that was asked for first or comes earlier holds.
    if (!this.#ending.comeWithin(timeoutMs)) return;
    this.phase.enter("draining");
    this.resources.manager.stopping("Draining: clients finish what they have begun");
    this.generations.close();
    // With our sockets closed, too, new clients are refused instead of waiting in vain.
    this.resources.listeners.close();
    this.generations.drain(timeoutMs);
    this.migrations.close();
    this.admin.stop();
    this.#onChildrenGone();
  }

  /** The workers leave, the sockets stay: new clients wait in their queues until a reload brings a new generation. */
  #pause(signal: string): void {
    if (this.phase.name !== "serving" || this.changes.activity !== null || this.options.hasTerminal)
      return;
    this.phase.enter("paused");
    const timeoutMs = this.running.drainTimeoutMs;
    this.log.warn("draining the workers; a reload starts new ones", {
      ...{ event: "workers_drain", signal, timeoutMs },
    });
    this.generations.drain(timeoutMs);
  }

  #onChildrenGone(): void {
    if (!this.phase.isEnding) return;
    if (processesOf(this).length === 0) this.#ending.come();
  }

  #reopenLogs(signal: string): void {
    reopenLogs(this.log, this.resources.slowLog);
    this.generations.send({ type: "reopen_log" });
    this.admin.send({ type: "reopen_log" });
    this.migrations.reopenLog();
    this.log.info("log files were opened again", { signal });
  }
}
