/**
 * Notices a child whose event loop no longer turns.
 *
 * Silence is counted in ticks of our own, not in time: when this process itself was stopped or starved, no ticks
 * passed, and no child is blamed. Conservative on purpose: a busy machine must not make us kill workers.
 */
import type { Logger } from "../../base/log.ts";

export interface WatchdogActions {
  ping(id: number): void;
  /** It was silent for too long. */
  onSilent(silentMs: number): void;
}

/** Between two ticks. */
export const TICK_MS = 1_000;
/** Ticks without an answer until the log says so. */
export const WARN_TICKS = 3;
/** Ticks without an answer until the child is given up. */
export const SILENT_TICKS_MAX = 10;

export class Watchdog {
  readonly #log: Logger;
  readonly #actions: WatchdogActions;
  #id = 0;
  #isWaiting = false;
  #silentTicks = 0;
  #pingedAtMs = 0;

  constructor(log: Logger, actions: WatchdogActions) {
    this.#log = log;
    this.#actions = actions;
  }

  /** A new child: what the old one owed is forgotten. */
  reset(): void {
    this.#isWaiting = false;
    this.#silentTicks = 0;
  }

  tick(): void {
    if (!this.#isWaiting) {
      this.#id += 1;
      this.#isWaiting = true;
      this.#silentTicks = 0;
      this.#pingedAtMs = performance.now();
      this.#actions.ping(this.#id);
      return;
    }
    this.#silentTicks += 1;
    if (this.#silentTicks === WARN_TICKS) {
      this.#log.warn("does not answer", { silentMs: this.#silentMs() });
    }
    if (this.#silentTicks !== SILENT_TICKS_MAX) return;
    this.#log.error("does not answer, killed", { silentMs: this.#silentMs() });
    this.#actions.onSilent(this.#silentMs());
  }

  onPong(id: number): void {
    if (id !== this.#id || !this.#isWaiting) return;
    this.#isWaiting = false;
    const fields = { silentMs: this.#silentMs() };
    if (this.#silentTicks >= WARN_TICKS) this.#log.info("answers again", fields);
    else if (this.#silentTicks > 0) this.#log.debug("answered late", fields);
  }

  #silentMs(): number {
    return Math.round(performance.now() - this.#pingedAtMs);
  }
}
