/**
 * Keeps one place occupied by a living child process.
 *
 *   start ─▶ starting ─ready─▶ serving ─┐ dies
 *               ▲   └──────────dies─────┤
 *               └── waiting ◀───────────┘        drain / stop ─▶ leaving ─▶ gone
 *
 * A dead child is replaced at once; only when replacements die young there is a pause in between.
 */
import type { FromWorker } from "../api/control.ts";
import type { Logger } from "../base/log.ts";
import type { ChildExit } from "../os/process.ts";
import { type ChildProcess, spawnChild } from "./child-process.ts";
import { EARLY_DEATH_MS, respawnDelayMs } from "./respawn-delay.ts";
import { Watchdog } from "./watchdog.ts";

/** What every child understands. */
export type ToChild =
  | { readonly type: "stop" }
  | { readonly type: "reopen_log" }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "drain"; readonly timeoutMs: number };

export interface ChildPlan<Out> {
  /** For the log: "worker/2". */
  readonly name: string;
  readonly title: string;
  readonly role: string;
  readonly isSilent: boolean;
  /** It says `ready` and answers `ping`; one that does not is replaced. */
  readonly answers: boolean;
  /** Asked before every start: what becomes fd 4, 5, … */
  fds(): readonly number[];
  /** Asked before every start: the first message. */
  startMessage(): Out;
}

export interface KeeperEvents {
  onReady(): void;
  /** A child died unwanted; `earlyDeaths` in a row died young. `reason`: what it said, or null. */
  onDeath(earlyDeaths: number, reason: string | null): void;
  /** The child that was told to leave has left. Nothing follows. */
  onGone(): void;
}

/** Time for a child to say `ready`. */
const READY_TIMEOUT_MS = 15_000;
/** Time for a child to exit after it should have: longer than it needs, and what a service manager is told to wait. */
const EXIT_GRACE_MS = 2_000;

export class ChildKeeper<Out> {
  readonly #plan: ChildPlan<Out>;
  readonly #events: KeeperEvents;
  readonly #log: Logger;
  readonly #watchdog: Watchdog;
  #child: ChildProcess<Out | ToChild> | null = null;
  #state: "starting" | "serving" | "waiting" | "leaving" | "gone" = "waiting";
  #startedAtMs = 0;
  #earlyDeaths = 0;
  #failure: string | null = null;
  /** Ready time-out, pause before the next start, or grace before the kill: one at a time. */
  #timer: Timer | undefined;

  constructor(plan: ChildPlan<Out>, events: KeeperEvents, log: Logger) {
    this.#plan = plan;
    this.#events = events;
    this.#log = log.child({ child: plan.name });
    this.#watchdog = new Watchdog(this.#log, {
      ping: (id) => this.#child?.send({ type: "ping", id }),
      onSilent: () => this.#child?.kill("SIGKILL"),
    });
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get isServing(): boolean {
    return this.#state === "serving";
  }

  /** Does nothing once it was told to leave. */
  start(): void {
    if (this.#state !== "waiting") return;
    const plan = this.#plan;
    this.#state = "starting";
    this.#startedAtMs = performance.now();
    this.#failure = null;
    try {
      const child = spawnChild<FromWorker, Out | ToChild>({
        role: plan.role,
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
      this.#replace("was not started");
      return;
    }
    if (plan.answers) this.#arm(READY_TIMEOUT_MS, () => this.#onReadyTimeout());
    else this.#state = "serving";
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
    this.#leave({ type: "drain", timeoutMs }, timeoutMs + EXIT_GRACE_MS);
  }

  stop(): void {
    this.#leave({ type: "stop" }, EXIT_GRACE_MS);
  }

  #leave(message: ToChild, graceMs: number): void {
    if (this.#state === "gone") return;
    this.#state = "leaving";
    if (this.#child === null) {
      this.#finish();
      return;
    }
    this.#child.send(message);
    this.#arm(graceMs, () => {
      this.#log.warn("did not leave in time, killed", { pid: this.pid, waitedMs: graceMs });
      this.#child?.kill("SIGKILL");
    });
  }

  #onMessage(message: FromWorker): void {
    switch (message.type) {
      case "ready":
        if (this.#state !== "starting") return;
        this.#state = "serving";
        this.#disarm();
        this.#watchdog.reset();
        this.#log.info("worker is ready", {
          pid: message.pid,
          tookMs: Math.round(performance.now() - this.#startedAtMs),
        });
        this.#events.onReady();
        break;
      case "failed":
        this.#failure = message.message;
        break;
      case "drained":
        this.#log.info("drained", { pid: this.pid, closed: message.closed });
        break;
      case "pong":
        this.#watchdog.onPong(message.id);
        break;
    }
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
    this.#replace("died", { pid, exitCode: exit.exitCode, signal: exit.signal });
  }

  #replace(event: string, fields: Record<string, string | number | null> = {}): void {
    const livedMs = Math.round(performance.now() - this.#startedAtMs);
    this.#earlyDeaths = livedMs < EARLY_DEATH_MS ? this.#earlyDeaths + 1 : 0;
    const delayMs = respawnDelayMs(this.#earlyDeaths);
    const reason = this.#failure === null ? {} : { reason: this.#failure };
    this.#log.warn(event, { ...fields, ...reason, livedMs, replacedInMs: delayMs });
    this.#state = "waiting";
    this.#events.onDeath(this.#earlyDeaths, this.#failure);
    // Whoever heard of the death may have decided to stop everything.
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
