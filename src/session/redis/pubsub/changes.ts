/** What the servers of one hub were asked for on behalf of clients and have not answered. */
import type { Failure } from "../../../api/upstream.ts";
import type { Outcome } from "./link.ts";
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
  /** -1: not known yet. */
  startedMs: number;
  /** The first that went wrong. */
  fault: Fault;
}

export class Changes {
  private readonly timeoutMs: number | null;
  private readonly changes: Set<Change> = new Set();

  /** @param timeoutMs how long servers may take; null: as long as they like */
  constructor(timeoutMs: number | null) {
    this.timeoutMs = timeoutMs;
  }

  /** `answered` must be called once for this, and once for each that is added to `pending`; `onDone` follows the last. */
  begin(topics: readonly Topic[], onDone: (fault: Fault) => void): Change {
    const change: Change = {
      ...{ topics, onDone, pending: 1, isDone: false },
      ...{ startedMs: -1, fault: null },
    };
    this.changes.add(change);
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

  checkDeadlines(nowMs: number): void {
    const { timeoutMs } = this;
    for (const change of this.changes) {
      if (change.startedMs < 0) change.startedMs = nowMs;
      if (timeoutMs === null || nowMs - change.startedMs <= timeoutMs) continue;
      const text = `Connection timed out (no confirmation from the servers within ${timeoutMs} ms)`;
      change.fault ??= { kind: "timeout", wasSent: true, text };
      this.end(change);
    }
  }
}
