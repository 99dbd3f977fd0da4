/**
 * Keeps one slot occupied by a living child process.
 *
 *   start ─▶ starting ─ready─▶ serving ─┐ dies
 *               ▲   └──────────dies─────┤
 *               └── waiting ◀───────────┘        leave ─▶ leaving ─▶ gone
 *
 * A dead child is replaced at once; only when replacements die young there is a pause in between.
 */
import type { Death, EngineStatus, ProcessStatus } from "../../api/control-socket.ts";
import type { Logger } from "../../base/log.ts";
import type { ChildExit } from "../../os/process.ts";
import type { Program } from "../program/program.ts";
import { adoptChild, type ChildProcess, type ChildSnapshot, spawnChild } from "./child-process.ts";
import { EARLY_DEATH_MS, respawnDelayMs } from "./respawn-delay.ts";
import { Watchdog } from "./watchdog.ts";

/** What every child understands. */
export type ToChild =
  | { readonly type: "stop" }
  | { readonly type: "reopen_log" }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "drain"; readonly timeoutMs: number };

/** What the keeper itself understands of what children say. */
export type FromChild =
  | {
      readonly type: "ready";
      readonly pid: number;
      readonly version: string;
      /** Of a worker. */
      readonly engine?: EngineStatus;
    }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "drained"; readonly closed: number }
  | { readonly type: "pong"; readonly id: number };

export interface ChildPlan<Out> {
  /** For the log: "worker/2". */
  readonly name: string;
  readonly role: ProcessStatus["role"];
  readonly title: string;
  readonly isSilent: boolean;
  /** It says `ready` and answers `ping`; one that does not is replaced. */
  readonly answers: boolean;
  readonly generation: number;
  readonly program: Program;
  /** Asked before every start: what becomes fd 4, 5, … */
  fds(): readonly number[];
  /** Asked before every start: the first message. */
  startMessage(): Out;
}

export interface KeeperEvents<In> {
  onReady(): void;
  /** Everything it says, after the keeper heard it. */
  onMessage(message: In): void;
  /** A child died unwanted; `earlyDeaths` in a row died young. `reason`: what it said, or null. */
  onDeath(earlyDeaths: number, reason: string | null): void;
  /** The child that was told to leave has left. Nothing follows. */
  onGone(): void;
}

type State = ProcessStatus["state"];

/** A slot and its child, for a program that replaces this one and goes on with both. */
export interface KeeperSnapshot {
  readonly state: State;
  /** Null: it is between two children. */
  readonly child: ChildSnapshot | null;
  readonly bornAtMs: number;
  readonly version: string;
  /** Absent: the program before did not know. */
  readonly engine?: EngineStatus | null;
  readonly respawns: number;
  readonly lastDeath: Death | null;
  /** By when a leaving child must be gone, milliseconds since the epoch; null: it is not leaving. */
  readonly leaveByMs: number | null;
}

/** Time for a child to say `ready`. */
const READY_TIMEOUT_MS = 15_000;
/** Time for a child to exit after it should have: longer than it needs, and what a service manager is told to wait. */
const EXIT_GRACE_MS = 2_000;

export class ChildKeeper<In extends { readonly type: string }, Out> {
  readonly #plan: ChildPlan<Out>;
  readonly #events: KeeperEvents<In>;
  readonly #log: Logger;
  readonly #watchdog: Watchdog;
  #child: ChildProcess<Out | ToChild> | null = null;
  #state: State = "waiting";
  #bornAtMs = 0;
  #earlyDeaths = 0;
  #respawns = 0;
  #version: string;
  #engine: EngineStatus | null = null;
  #lastDeath: Death | null = null;
  #leaveByMs: number | null = null;
  #failure: string | null = null;
  /** Ready time-out, pause before the next start, or grace before the kill: one at a time. */
  #timer: Timer | undefined;

  constructor(plan: ChildPlan<Out>, events: KeeperEvents<In>, log: Logger) {
    this.#plan = plan;
    this.#events = events;
    this.#version = plan.program.about.version;
    this.#log = log.child({ child: plan.name });
    this.#watchdog = new Watchdog(this.#log, {
      ping: (id) => this.#child?.send({ type: "ping", id }),
      onSilent: (silentMs) => {
        this.#failure = `hung: its event loop did not turn for ${silentMs} ms, so it was killed`;
        this.#child?.kill("SIGKILL");
      },
    });
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get state(): State {
    return this.#state;
  }

  get isServing(): boolean {
    return this.#state === "serving";
  }

  /** Does nothing once it was told to leave. */
  start(): void {
    if (this.#state !== "waiting") return;
    const plan = this.#plan;
    this.#state = "starting";
    this.#bornAtMs = Date.now();
    this.#failure = null;
    this.#version = plan.program.about.version;
    this.#engine = null;
    try {
      plan.program.verify();
      const child = spawnChild<In, Out | ToChild>({
        command: plan.program.command,
        role: `__${plan.role}`,
        title: plan.title,
        isSilent: plan.isSilent,
        fds: plan.fds(),
        onMessage: (message) => this.#onMessage(message),
        onExit: (exit) => this.#onExit(exit),
      });
      this.#child = child;
      child.send(plan.startMessage());
      this.#log.debug("started", { pid: child.pid });
    } catch (error) {
      // No memory, no free process number: that may pass.
      this.#failure = `cannot start a process: ${(error as Error).message}`;
      this.#replace("was not started", this.#failure);
      return;
    }
    this.#expectReady();
  }

  /** Instead of `start`: goes on with what the program before this one left. */
  resume(snapshot: KeeperSnapshot): void {
    const { state, child, leaveByMs } = snapshot;
    this.#bornAtMs = snapshot.bornAtMs;
    this.#version = snapshot.version;
    this.#engine = snapshot.engine ?? null;
    this.#respawns = snapshot.respawns;
    this.#lastDeath = snapshot.lastDeath;
    if (child === null) {
      this.start();
      return;
    }
    this.#state = state;
    this.#child = adoptChild<In, Out | ToChild>(child, {
      onMessage: (message) => this.#onMessage(message),
      onExit: (exit) => this.#onExit(exit),
    });
    if (leaveByMs !== null) this.#killAfter(Math.max(leaveByMs - Date.now(), 0));
    else if (state === "starting") this.#expectReady();
  }

  /** Null: its child is just ending; ask again in a moment. */
  snapshot(): KeeperSnapshot | null {
    const child = this.#child?.snapshot() ?? null;
    if (child === null && this.#child !== null) return null;
    return {
      state: this.#state,
      child,
      bornAtMs: this.#bornAtMs,
      version: this.#version,
      engine: this.#engine,
      respawns: this.#respawns,
      lastDeath: this.#lastDeath,
      leaveByMs: this.#leaveByMs,
    };
  }

  status(clients: number): ProcessStatus {
    return {
      role: this.#plan.role,
      name: this.#plan.name,
      pid: this.pid,
      version: this.#version,
      crew: this.#plan.generation,
      generation: this.#plan.generation,
      state: this.#state,
      clients,
      ageMs: this.#child === null ? null : Date.now() - this.#bornAtMs,
      respawns: this.#respawns,
      lastDeath: this.#lastDeath,
      ...(this.#plan.role === "worker" ? { engine: this.#engine } : {}),
    };
  }

  send(message: Out | ToChild): void {
    this.#child?.send(message);
  }

  /** Called once a second. */
  tick(): void {
    if (this.#plan.answers && this.#state === "serving") this.#watchdog.tick();
  }

  /** Lets the child finish what is in flight. A later `stop` cuts that short. */
  drain(timeoutMs: number): void {
    this.leave({ type: "drain", timeoutMs }, timeoutMs);
  }

  stop(): void {
    this.leave({ type: "stop" }, 0);
  }

  /** A child that serves goes on until it is told to leave; should it die before, it is not replaced any more. */
  retire(): void {
    if (this.#state === "serving") this.#state = "leaving";
  }

  /** Tells the child to leave; it has `timeoutMs` and a moment more. Of several orders the one that ends first holds. */
  leave(message: Out | ToChild, timeoutMs: number): void {
    if (this.#state === "gone") return;
    this.#state = "leaving";
    if (this.#child === null) {
      this.#finish();
      return;
    }
    this.#child.send(message);
    const leftMs =
      this.#leaveByMs === null ? Number.POSITIVE_INFINITY : this.#leaveByMs - Date.now();
    if (timeoutMs + EXIT_GRACE_MS < leftMs) this.#killAfter(timeoutMs + EXIT_GRACE_MS);
  }

  #killAfter(graceMs: number): void {
    this.#leaveByMs = Date.now() + graceMs;
    this.#arm(graceMs, () => {
      this.#log.warn("did not leave in time, killed", { pid: this.pid, waitedMs: graceMs });
      this.#child?.kill("SIGKILL");
    });
  }

  #expectReady(): void {
    if (this.#plan.answers) this.#arm(READY_TIMEOUT_MS, () => this.#onReadyTimeout());
    else this.#state = "serving";
  }

  #onMessage(message: In): void {
    const known = message as unknown as FromChild;
    switch (known.type) {
      case "ready":
        if (this.#state !== "starting") break;
        this.#state = "serving";
        this.#version = known.version;
        this.#engine = known.engine ?? null;
        this.#disarm();
        this.#watchdog.reset();
        this.#log.info("worker is ready", {
          pid: known.pid,
          tookMs: Date.now() - this.#bornAtMs,
        });
        this.#events.onMessage(message);
        this.#events.onReady();
        return;
      case "failed":
        this.#failure = known.message;
        break;
      case "drained":
        this.#log.info("drained", { pid: this.pid, closed: known.closed });
        break;
      case "pong":
        this.#watchdog.onPong(known.id);
        break;
    }
    this.#events.onMessage(message);
  }

  #onReadyTimeout(): void {
    this.#failure = `was not ready within ${READY_TIMEOUT_MS} ms`;
    this.#child?.kill("SIGKILL");
  }

  #onExit(exit: ChildExit): void {
    const pid = this.pid;
    this.#child = null;
    this.#disarm();
    if (this.#state === "leaving") {
      this.#log.debug("left", { pid, exitCode: exit.exitCode, signal: exit.signal });
      this.#finish();
      return;
    }
    this.#replace("died", this.#failure ?? describeExit(exit), {
      pid,
      exitCode: exit.exitCode,
      signal: exit.signal,
    });
  }

  #replace(
    event: string,
    reason: string,
    fields: Record<string, string | number | null> = {},
  ): void {
    const livedMs = Date.now() - this.#bornAtMs;
    // On a busy machine a child may need longer than that to find out that it cannot start.
    const isYoung = livedMs < EARLY_DEATH_MS || this.#state === "starting";
    this.#earlyDeaths = isYoung ? this.#earlyDeaths + 1 : 0;
    this.#respawns += 1;
    this.#lastDeath = { atMs: Date.now(), reason };
    const delayMs = respawnDelayMs(this.#earlyDeaths);
    const said = this.#failure === null ? {} : { reason: this.#failure };
    this.#log.warn(event, {
      ...{ event: "process_died", ...fields, ...said, livedMs },
      replacedInMs: delayMs,
    });
    this.#state = "waiting";
    this.#events.onDeath(this.#earlyDeaths, this.#failure);
    // A receiver of the event may have decided to stop everything.
    if (this.#state !== "waiting") return;
    if (delayMs === 0) this.start();
    else this.#arm(delayMs, () => this.start());
  }

  #finish(): void {
    this.#state = "gone";
    this.#disarm();
    this.#events.onGone();
  }

  #arm(delayMs: number, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, delayMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** "was killed by SIGSEGV", "ended with exit code 3" */
export function describeExit({ exitCode, signal }: ChildExit): string {
  if (signal !== null) return `was killed by ${signal}`;
  return exitCode === null ? "ended" : `ended with exit code ${exitCode}`;
}
