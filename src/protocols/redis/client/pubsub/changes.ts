/** What the servers of one shared subscription were asked for on behalf of clients and have not answered. */
import type { Failure } from "../../../../api/upstream.ts";
import type { Outcome, ServerSubscriptionOptions } from "./server-subscription.ts";
import type { Topic } from "./topic.ts";

/** Why a client's wish came to nothing: a server's error or the proxy's, or a failure; null: it did not. */
export type Fault = Buffer | Failure | null;

/** All requests to servers about `topics`, one to each server. */
export interface Change {
  readonly topics: readonly Topic[];
  readonly onDone: (fault: Fault) => void;
  /** Requests that are not answered. */
  pending: number;
  isDone: boolean;
  readonly startedMs: number;
  /** The first that went wrong. */
  fault: Fault;
}

export interface ChangesOptions extends Pick<ServerSubscriptionOptions, "turn" | "lookBy"> {
  /** How long servers may take; null: as long as they like. */
  readonly timeoutMs: () => number | null;
}

export class Changes {
  private readonly options: ChangesOptions;
  private readonly changes: Set<Change> = new Set();

  constructor(options: ChangesOptions) {
    this.options = options;
  }

  /** `answered` must be called once for this, and once for each that is added to `pending`; `onDone` follows the last. */
  begin(topics: readonly Topic[], onDone: (fault: Fault) => void): Change {
    const { turn, lookBy } = this.options;
    const timeoutMs = this.options.timeoutMs();
    const change: Change = {
      ...{ topics, onDone, pending: 1, isDone: false },
      ...{ startedMs: turn.nowMs, fault: null },
    };
    this.changes.add(change);
    if (timeoutMs !== null) lookBy(turn.nowMs + timeoutMs);
    return change;
  }

  answered(change: Change, outcome: Outcome): void {
    change.fault ??= outcome;
    if (--change.pending === 0) this.end(change);
  }

  private end(change: Change): void {
    if (change.isDone) return;
    change.isDone = true;
    this.changes.delete(change);
    change.onDone(change.fault);
  }

  /** Gives up those that are late by now. @returns when to look next; Infinity: none can be late */
  look(nowMs: number): number {
    const timeoutMs = this.options.timeoutMs();
    if (timeoutMs === null) return Number.POSITIVE_INFINITY;
    // The oldest first.
    for (const change of this.changes) {
      if (change.startedMs + timeoutMs > nowMs) return change.startedMs + timeoutMs;
      const text = `Connection timed out (no confirmation from the servers within ${timeoutMs} ms)`;
      change.fault ??= { kind: "timeout", wasSent: true, text };
      this.end(change);
    }
    return Number.POSITIVE_INFINITY;
  }
}
