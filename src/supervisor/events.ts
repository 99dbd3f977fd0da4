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

  add(process: string, level: LogLevel, line: string): void {
    this.#last += 1;
    const text = line.substring(0, EVENT_CHARACTERS_MAX);
    this.#kept.push({ number: this.#last, atMs: Date.now(), level, process, text });
    if (this.#kept.length > EVENTS_KEPT_MAX) this.#kept.shift();
  }

  /** Those behind number `after`, at most the last `count`. */
  since(after: number, count: number): readonly ProxyEvent[] {
    const behind = this.#kept.filter(({ number }) => number > after);
    return behind.filter((_, index) => index >= behind.length - count);
  }
}
