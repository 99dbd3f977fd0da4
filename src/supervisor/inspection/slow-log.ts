/** The slow requests of all workers, the latest ones. */
import type { SlowEntry, SlowLogReport, SlowRequest } from "../../api/inspection.ts";
import { SLOW_KEPT_MAX } from "../../base/limits.ts";
import type { SlowFile } from "./slow-file.ts";

/** Plain data, for the program that replaces this one. */
export interface SlowLogSnapshot {
  readonly last: number;
  readonly missed: number;
  readonly entries: readonly SlowEntry[];
}

export interface SlowLogQuery {
  /** Those behind this number; 0: all. */
  readonly after: number;
  /** At most the last so many. */
  readonly count: number;
  /** Null: of all pools. */
  readonly pool: string | null;
}

export class SlowLog {
  /** The oldest first. */
  #entries: SlowEntry[];
  #last: number;
  #missed: number;

  /** Where they are written, too. */
  readonly file: SlowFile;

  constructor(saved: SlowLogSnapshot | undefined, file: SlowFile) {
    this.file = file;
    this.#entries = [...(saved?.entries ?? [])];
    this.#last = saved?.last ?? 0;
    this.#missed = saved?.missed ?? 0;
  }

  snapshot(): SlowLogSnapshot {
    return { last: this.#last, missed: this.#missed, entries: this.#entries };
  }

  /** @param workerNowMs the worker's own clock when it told */
  add(
    worker: string,
    requests: readonly SlowRequest[],
    { missed, workerNowMs }: { readonly missed: number; readonly workerNowMs: number },
  ): void {
    const nowMs = Date.now();
    for (const { agoFromMs, ...request } of requests) {
      this.#last += 1;
      const atMs = Math.round(nowMs - Math.max(0, workerNowMs - agoFromMs));
      const entry = { ...request, number: this.#last, atMs, worker };
      this.#entries.push(entry);
      this.file.write(entry);
    }
    this.#missed += missed;
    if (this.#entries.length > SLOW_KEPT_MAX) {
      this.#entries.splice(0, this.#entries.length - SLOW_KEPT_MAX);
    }
  }

  read({ after, count, pool }: SlowLogQuery): SlowLogReport {
    const found = this.#entries.filter(
      (entry) => entry.number > after && (pool === null || entry.pool === pool),
    );
    return {
      entries: found.filter((_, index) => index >= found.length - count),
      kept: this.#entries.length,
      missed: this.#missed,
    };
  }

  /** Forgets the entries of a pool; null: of all. */
  reset(pool: string | null): void {
    this.#entries = pool === null ? [] : this.#entries.filter((entry) => entry.pool !== pool);
    if (pool === null) this.#missed = 0;
  }
}
