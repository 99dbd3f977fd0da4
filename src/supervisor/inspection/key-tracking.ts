/**
 * What Redis's HOTKEYS has the proxy track: the keys of a pool by the time that their requests took and by their bytes, from its START until
 * its STOP or its time is over. What workers tell of a sample of requests (see client/pool-keys.ts) is added up.
 */
import type { HotKeyPart } from "../../api/key-report.ts";
import { TRACKED_KEYS_MAX } from "../../base/key-limits.ts";

export const TRACKED = ["cpu", "net"] as const;
export type Tracked = (typeof TRACKED)[number];

export interface TrackingWish {
  readonly by: ReadonlySet<Tracked>;
  /** So many keys are shown of each list. */
  readonly count: number;
  /** Null: until it is stopped. */
  readonly durationMs: number | null;
  /** One request of so many was to be looked at. The proxy has a sample of its own. */
  readonly ratio: number;
}

/** What a pool and the proxy's processes had counted at some time. */
export interface Totals {
  /** Microseconds that servers took for requests. */
  readonly serverUs: number;
  /** Bytes of requests to servers, and of their replies. */
  readonly netBytes: number;
  readonly userMs: number;
  readonly systemMs: number;
}

export interface TrackedKeys {
  readonly isActive: boolean;
  readonly wish: TrackingWish;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly tookMs: number;
  /** Since the start. */
  readonly totals: Totals;
  /** The most first. */
  readonly keys: Readonly<Record<Tracked, readonly (readonly [key: string, value: number])[]>>;
  /** Of all keys that were seen. */
  readonly sums: Readonly<Record<Tracked, number>>;
}

interface Session {
  readonly wish: TrackingWish;
  readonly startedAtMs: number;
  readonly totalsNow: () => Totals;
  readonly before: Totals;
  readonly counted: Readonly<Record<Tracked, Map<string, number>>>;
  readonly sums: Record<Tracked, number>;
  readonly timer: Timer | null;
  /** Null: it goes on. */
  end: { readonly atMs: number; readonly totals: Totals } | null;
}

export class KeyTracking {
  readonly #epochMs: () => number;
  /** By pool. */
  readonly #sessions: Map<string, Session> = new Map();

  constructor(epochMs: () => number) {
    this.#epochMs = epochMs;
  }

  /** False: keys of the pool are tracked already. */
  start(pool: string, wish: TrackingWish, totalsNow: () => Totals): boolean {
    if (this.#sessions.get(pool)?.end === null) return false;
    const { durationMs } = wish;
    const timer = durationMs === null ? null : setTimeout(() => this.stop(pool), durationMs);
    this.#sessions.set(pool, {
      ...{ wish, totalsNow, timer, startedAtMs: this.#epochMs(), before: totalsNow(), end: null },
      counted: { cpu: new Map(), net: new Map() },
      sums: { cpu: 0, net: 0 },
    });
    return true;
  }

  /** False: no keys of the pool are tracked. */
  stop(pool: string): boolean {
    const session = this.#sessions.get(pool);
    if (session === undefined || session.end !== null) return false;
    if (session.timer !== null) clearTimeout(session.timer);
    session.end = { atMs: this.#epochMs(), totals: session.totalsNow() };
    return true;
  }

  /** False: keys of the pool are being tracked. */
  reset(pool: string): boolean {
    if (this.#sessions.get(pool)?.end === null) return false;
    this.#sessions.delete(pool);
    return true;
  }

  add(pool: string, hot: readonly HotKeyPart[]): void {
    const session = this.#sessions.get(pool);
    if (session === undefined || session.end !== null) return;
    for (const { key, bytes, us = 0 } of hot) {
      count(session, "cpu", key, us);
      count(session, "net", key, bytes);
    }
  }

  /** Null: there was no START, or a RESET since. */
  get(pool: string): TrackedKeys | null {
    const session = this.#sessions.get(pool);
    if (session === undefined) return null;
    const { wish, startedAtMs, before, counted, sums, end } = session;
    const totals = end?.totals ?? session.totalsNow();
    return {
      ...{ isActive: end === null, wish, startedAtMs, sums: { ...sums } },
      tookMs: Math.max(0, (end?.atMs ?? this.#epochMs()) - startedAtMs),
      totals: {
        serverUs: totals.serverUs - before.serverUs,
        netBytes: totals.netBytes - before.netBytes,
        userMs: Math.max(0, totals.userMs - before.userMs),
        systemMs: Math.max(0, totals.systemMs - before.systemMs),
      },
      keys: { cpu: most(counted.cpu, wish.count), net: most(counted.net, wish.count) },
    };
  }
}

function count({ wish, counted, sums }: Session, by: Tracked, key: string, value: number): void {
  if (!wish.by.has(by) || value <= 0) return;
  sums[by] += value;
  const keys = counted[by];
  const before = keys.get(key);
  if (before !== undefined) keys.set(key, before + value);
  else if (keys.size < TRACKED_KEYS_MAX) keys.set(key, value);
  else keys.set(key, dropLeast(keys) + value);
}

/** Space-Saving, as in client/hot-keys.ts: a key takes the place, and the value, of the one with the least. */
function dropLeast(keys: Map<string, number>): number {
  let [key, least] = ["", Number.POSITIVE_INFINITY];
  for (const [name, value] of keys) if (value < least) [key, least] = [name, value];
  keys.delete(key);
  return least;
}

function most(keys: ReadonlyMap<string, number>, limit: number): (readonly [string, number])[] {
  const all = [...keys].sort(([, a], [, b]) => b - a);
  return all.filter((_, index) => index < limit);
}
