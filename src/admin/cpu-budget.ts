/**
 * Bounds the CPU time of the admin process, however much it is asked: its answers wait for their turn once a second's share is used up.
 * Who asks again when an answer has come is slowed down by that; a viewer or a collector does not notice it.
 *
 *   left ──(each ms: + share)──▶ at most the burst
 *     └───(CPU time that was used)──▶ below 0, to minus the burst: answers wait, the first that came goes first
 */
import {
  ADMIN_ANSWERS_WAITING_MAX,
  ADMIN_CPU_BURST_MS,
  ADMIN_CPU_SHARE,
} from "../base/page-limits.ts";

export interface CpuBudgetOptions {
  /** CPU time of this process so far, and a monotonic clock, in milliseconds. */
  readonly usedMs: () => number;
  readonly nowMs: () => number;
}

export class CpuBudget {
  readonly #options: CpuBudgetOptions;
  #leftMs: number = ADMIN_CPU_BURST_MS;
  #usedMs: number;
  #atMs: number;
  readonly #waiting: ((mayGo: boolean) => void)[] = [];
  #isPumping = false;

  constructor(options: CpuBudgetOptions) {
    this.#options = options;
    this.#usedMs = options.usedMs();
    this.#atMs = options.nowMs();
  }

  /** Resolves with true when an answer may be made, and with false when too many wait. */
  turn(): Promise<boolean> {
    if (this.#waiting.length >= ADMIN_ANSWERS_WAITING_MAX) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push(resolve);
    if (!this.#isPumping) this.#pump();
    return promise;
  }

  /** How long an answer has to wait now; 0: it has not. */
  waitMs(): number {
    const [used, now] = [this.#options.usedMs(), this.#options.nowMs()];
    const gained = Math.max(0, now - this.#atMs) * ADMIN_CPU_SHARE;
    const left = this.#leftMs + gained - (used - this.#usedMs);
    // What this process uses besides answers may be more than the share: answers come slowly then, and they come.
    this.#leftMs = Math.min(ADMIN_CPU_BURST_MS, Math.max(-ADMIN_CPU_BURST_MS, left));
    [this.#usedMs, this.#atMs] = [used, now];
    return this.#leftMs > 0 ? 0 : Math.ceil(-this.#leftMs / ADMIN_CPU_SHARE) + 1;
  }

  /** One after the other, so that each one's cost is known before the next. */
  #pump(): void {
    this.#isPumping = this.#waiting.length > 0;
    if (!this.#isPumping) return;
    const waitMs = this.waitMs();
    if (waitMs > 0) {
      setTimeout(() => this.#pump(), waitMs);
      return;
    }
    this.#waiting.shift()?.(true);
    setImmediate(() => this.#pump());
  }
}
