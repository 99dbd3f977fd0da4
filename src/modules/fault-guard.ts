/**
 * Calls a module's code: what it throws ends nothing but the request, and a filter that keeps failing is switched off. A protocol is
 * not: then one client that knows how to make it fail would end the others.
 */

import {
  MODULE_COLD_CALLS,
  MODULE_FAULTS_MAX,
  MODULE_OFF_MS,
  MODULE_SLOW_MS,
} from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";

export interface GuardOptions {
  readonly module: string;
  readonly log: Logger;
  readonly logLimit: LogLimit;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  readonly onFault: () => void;
  /** It can be done without for a while. */
  readonly maySwitchOff: boolean;
}

export class FaultGuard {
  readonly #options: GuardOptions;
  #faults = 0;
  /** When the first of `#faults` was. */
  #sinceMs = 0;
  #offUntilMs = 0;
  /** Calls of each hook so far, at most `MODULE_COLD_CALLS`. */
  readonly #calls: Map<string, number> = new Map();

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** It has failed too often: it is not to be called. */
  isOff(nowMs: number): boolean {
    if (this.#offUntilMs === 0 || nowMs < this.#offUntilMs) return this.#offUntilMs !== 0;
    const { log, module } = this.#options;
    this.#offUntilMs = 0;
    this.#faults = 0;
    log.info(`module ${module} is switched on again`, { event: "module_is_on" });
    return false;
  }

  /** A call that began at `startMs` has returned; one that threw is not told here: making a stack takes its time. */
  ended(startMs: number, hook: string): void {
    const { module, log, logLimit, now } = this.#options;
    const calls = this.#calls.get(hook) ?? 0;
    if (calls < MODULE_COLD_CALLS) {
      this.#calls.set(hook, calls + 1);
      return;
    }
    const tookMs = now() - startMs;
    if (tookMs <= MODULE_SLOW_MS) return;
    const leftOut = logLimit.admit(`slow ${module} ${hook}`, startMs);
    if (leftOut === null) return;
    log.warn(
      `module ${module} holds up all clients of this worker: ${hook} took ${tookMs.toFixed(1)} ms`,
      {
        event: "module_is_slow",
        ...(leftOut > 0 ? { left_out: leftOut } : {}),
      },
    );
  }

  failed(error: unknown, hook: string): void {
    const { module, log, logLimit, now, onFault, maySwitchOff } = this.#options;
    const nowMs = now();
    onFault();
    if (nowMs - this.#sinceMs > MODULE_OFF_MS) {
      this.#sinceMs = nowMs;
      this.#faults = 0;
    }
    this.#faults += 1;
    const leftOut = logLimit.admit(`fault ${module} ${hook}`, nowMs);
    if (leftOut !== null) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error(`module ${module} failed in ${hook}: ${text}`, {
        event: "module_failed",
        ...(leftOut > 0 ? { left_out: leftOut } : {}),
      });
    }
    if (!maySwitchOff || this.#faults < MODULE_FAULTS_MAX || this.#offUntilMs !== 0) return;
    this.#offUntilMs = nowMs + MODULE_OFF_MS;
    log.error(
      `module ${module} is switched off for ${MODULE_OFF_MS / 1000} s: it failed ${this.#faults} times within a minute`,
      { event: "module_is_off" },
    );
  }
}
