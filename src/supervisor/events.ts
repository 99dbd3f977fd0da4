/** What happened lately: lines of the log that are not mere details, of the supervisor and its workers. */
import type { ProxyEvent } from "../api/control-socket.ts";
import { EVENT_CHARACTERS_MAX, EVENTS_KEPT_MAX } from "../base/limits.ts";
import type { LogLevel } from "../base/log.ts";

export class EventRing {
  /** The oldest first. */
  readonly #kept: ProxyEvent[] = [];
  #last: number;

  /** @param kept what the program before this one kept */
  constructor(kept: readonly ProxyEvent[] = []) {
    this.#kept.push(...kept);
    this.#last = kept.at(-1)?.number ?? 0;
  }

  get all(): readonly ProxyEvent[] {
    return this.#kept;
  }

  /** @param event absent: the worker that tells of it is older than events' names */
  add(process: string, level: LogLevel, line: string, event?: string): void {
    this.#last += 1;
    const text = line.substring(0, EVENT_CHARACTERS_MAX);
    const named = event === undefined ? {} : { event };
    this.#kept.push({ number: this.#last, atMs: Date.now(), level, process, text, ...named });
    if (this.#kept.length > EVENTS_KEPT_MAX) this.#kept.shift();
  }

  /** Those behind number `after`, at most the last `count`. */
  since(after: number, count: number): readonly ProxyEvent[] {
    const behind = this.#kept.filter(({ number }) => number > after);
    return behind.filter((_, index) => index >= behind.length - count);
  }
}
