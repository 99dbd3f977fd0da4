/** Whether the servers of a pool want a password of clients that gave none, as far as is known. */

/** So old may knowledge be before a new client makes the proxy ask again. */
const FRESH_MS = 10_000;
/** The same when the answer was no: a client is waiting to be let in. */
const FRESH_REFUSAL_MS = 1_000;

export class ServerAccess {
  /** null: not known yet. */
  needsPassword: boolean | null = null;
  /** The last time that a server was asked for a transaction, it opened one. */
  opensTransactions = false;
  private askedMs = Number.NEGATIVE_INFINITY;

  /** To be called whenever a server has greeted a connection that gave no password. */
  learn(needsPassword: boolean): void {
    this.needsPassword = needsPassword;
  }

  /** To be called with what came of MULTI; null: a transaction. */
  learnMulti(fault: string | null): void {
    // Anything else tells nothing of permissions.
    if (fault === null || fault.startsWith("NOPERM")) this.opensTransactions = fault === null;
  }

  /** Whether it is time to ask anew; then it is asked, and for a while it is not time again. */
  isDue(nowMs: number): boolean {
    const freshMs = this.needsPassword === true ? FRESH_REFUSAL_MS : FRESH_MS;
    if (nowMs - this.askedMs < freshMs) return false;
    const isFirst = this.askedMs < 0;
    this.askedMs = nowMs;
    // What is asked for the first time was learned just now.
    return !isFirst;
  }
}
