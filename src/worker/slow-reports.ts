/** Tells the supervisor of slow requests: now and then, and of the slowest only when there are many. */
import type { FromWorker } from "../api/control.ts";
import type { SlowRequest } from "../api/inspection.ts";
import { SLOW_TOLD_MAX, SLOW_TOLD_MS } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";

export interface SlowReportsOptions {
  readonly schedule: Schedule;
  /** Of the turns in which requests are measured. */
  readonly nowMs: () => number;
  readonly send: (message: FromWorker) => void;
}

export class SlowReports {
  readonly #options: SlowReportsOptions;
  #waiting: SlowRequest[] = [];
  #missed = 0;
  #isTiming = false;

  constructor(options: SlowReportsOptions) {
    this.#options = options;
  }

  /** False: it would not be told of, and is counted. */
  hasRoom(tookUs: number): boolean {
    if (this.#waiting.length < SLOW_TOLD_MAX) return true;
    const isSlower = tookUs > this.#waiting[this.#fastest]!.totalUs;
    if (!isSlower) this.#miss();
    return isSlower;
  }

  add(request: SlowRequest): void {
    if (this.#waiting.length < SLOW_TOLD_MAX) this.#waiting.push(request);
    else {
      this.#waiting[this.#fastest] = request;
      this.#miss();
    }
    this.#tellLater();
  }

  get #fastest(): number {
    let fastest = 0;
    for (const [at, { totalUs }] of this.#waiting.entries()) {
      if (totalUs < this.#waiting[fastest]!.totalUs) fastest = at;
    }
    return fastest;
  }

  #miss(): void {
    this.#missed += 1;
    this.#tellLater();
  }

  #tellLater(): void {
    if (this.#isTiming) return;
    this.#isTiming = true;
    this.#options.schedule(SLOW_TOLD_MS, () => this.#tell());
  }

  #tell(): void {
    this.#isTiming = false;
    const requests = this.#waiting;
    const missed = this.#missed;
    this.#waiting = [];
    this.#missed = 0;
    this.#options.send({ type: "slow", nowMs: this.#options.nowMs(), requests, missed });
  }
}
