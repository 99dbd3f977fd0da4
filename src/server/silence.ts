/** Whether a server has been silent for so long, or late for so long, that a connection to it is of no use. */

/** A connection with requests on it that is silent for so many timeouts is given up, but not before … */
const SILENCE_TIMEOUTS = 3;
/** … this long. */
const SILENCE_MIN_MS = 1000;

export class Silence {
  /** When a request timed out first since one was answered in time; -1: none has. */
  private lateSinceMs = -1;
  private lastTroubleMs = 0;

  /** Requests were answered in time, or the connection is another one. */
  end(): void {
    this.lateSinceMs = -1;
  }

  /**
   * A request has timed out.
   * @param silentMs nothing has come for so long
   * @param isInDoubt it cannot be checked whether replies are in step
   */
  isTooLong(nowMs: number, timeoutMs: number, silentMs: number, isInDoubt: boolean): boolean {
    if (silentMs > Math.max(SILENCE_TIMEOUTS * timeoutMs, SILENCE_MIN_MS)) return true;
    if (this.lateSinceMs < 0) this.lateSinceMs = nowMs;
    // What cannot be checked may be out of step.
    const lateMs = nowMs - this.lateSinceMs;
    return isInDoubt && lateMs >= Math.max((SILENCE_TIMEOUTS - 1) * timeoutMs, SILENCE_MIN_MS);
  }

  /** Whether it is trouble anew: once in each timeout. */
  isTrouble(nowMs: number, timeoutMs: number): boolean {
    if (nowMs - this.lastTroubleMs < timeoutMs) return false;
    this.lastTroubleMs = nowMs;
    return true;
  }
}
