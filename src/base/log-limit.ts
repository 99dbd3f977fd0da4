/** Keeps what happens again and again from filling the log. */
import { LOG_REPEAT_MS } from "./limits.ts";

interface Event {
  loggedMs: number;
  leftOut: number;
}

/** Events are told apart by a name; there must be few names, for they are kept. */
export class LogLimit {
  readonly #events: Map<string, Event> = new Map();

  /**
   * To be asked before a line is written about an event.
   * @returns how often the event has happened since its last line, without one; null: leave it out this time, too
   */
  admit(name: string, nowMs: number): number | null {
    const event = this.#events.get(name);
    if (event === undefined) {
      this.#events.set(name, { loggedMs: nowMs, leftOut: 0 });
      return 0;
    }
    if (nowMs - event.loggedMs < LOG_REPEAT_MS) {
      event.leftOut++;
      return null;
    }
    const { leftOut } = event;
    event.loggedMs = nowMs;
    event.leftOut = 0;
    return leftOut;
  }
}
