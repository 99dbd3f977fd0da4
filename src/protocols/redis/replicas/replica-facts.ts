/** What is known of the replicas of a pool, and of their primaries, in one worker: what was heard last of each. */
import { REPLICA_NEWS_MS_MAX } from "../../../base/replica-limits.ts";

/**
 * What was found out last about one server. Plain JSON data: workers tell it each other, and the supervisor retains it. Workers of an
 * older program tell only what is not optional.
 */
export interface ReplicaState {
  readonly name: string;
  /** Null: it must not be read. A primary's is 0. */
  readonly lagMs: number | null;
  /** How long its answer took; without an answer, 0. */
  readonly tookMs: number;
  /** How old it was when it was told; absent: new. */
  readonly ageMs?: number;
  /** Of a replica: the address of its primary. */
  readonly primary?: string;
  /** Of a primary: which data it has, see ReplicationInfo. */
  readonly history?: string;
  readonly offset?: number;
  /** Of a primary: which server its reads go to with `nearest`. */
  readonly nearest?: string;
}

export interface Fact {
  readonly lagMs: number | null;
  /** The mean of the last answers; Infinity: there was none. */
  readonly tookMs: number;
  readonly heardMs: number;
}

/** Of an answer's time, how much the newest one counts. */
const NEWEST = 0.3;

export class ReplicaFacts {
  private readonly known: Map<string, Fact> = new Map();

  /** Undefined: nothing was heard of it, or too long ago. */
  of(name: string): Fact | undefined {
    return this.known.get(name);
  }

  /** @param heardMs how old it is, by the turn's clock */
  learn({ name, lagMs, tookMs }: ReplicaState, heardMs: number): void {
    const old = this.known.get(name);
    if (old !== undefined && old.heardMs >= heardMs) return;
    const before = old?.tookMs ?? Number.POSITIVE_INFINITY;
    this.known.set(name, { lagMs, tookMs: mean(before, lagMs, tookMs), heardMs });
  }

  /** What is too old is known no longer. */
  forget(nowMs: number): void {
    for (const [name, { heardMs }] of this.known) {
      if (nowMs - heardMs > REPLICA_NEWS_MS_MAX) this.known.delete(name);
    }
  }
}

function mean(before: number, lagMs: number | null, tookMs: number): number {
  // It may not have answered at all.
  if (lagMs === null) return before;
  return Number.isFinite(before) ? before + NEWEST * (tookMs - before) : tookMs;
}
