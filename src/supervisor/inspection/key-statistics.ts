/** The keys that were asked for most in the last minute, and the largest ones that were noticed, of all workers. */
import type {
  BigKeyOrder,
  BigKeyRow,
  BigKeysReport,
  HotKeyPart,
  HotKeyRow,
  HotKeysReport,
  KeyReport,
} from "../../api/key-report.ts";
import {
  BIG_KEPT_MAX,
  BIG_KEPT_MS,
  HOT_KEPT_MAX,
  HOT_WINDOW_MS,
  HOT_WINDOW_PARTS,
} from "../../base/key-limits.ts";
import { KeyTracking } from "./key-tracking.ts";

const PART_MS = HOT_WINDOW_MS / HOT_WINDOW_PARTS;

/** What was told in PART_MS. */
interface WindowPart {
  readonly number: number;
  readonly keys: Map<string, HotKeyPart>;
  requests: number;
  samples: number;
}

export interface Clocks {
  /** Never goes back. */
  readonly nowMs: () => number;
  readonly epochMs: () => number;
}

const CLOCKS: Clocks = { nowMs: () => performance.now(), epochMs: () => Date.now() };

export class KeyStatistics {
  readonly tracking: KeyTracking;
  readonly #clocks: Clocks;
  /** By pool, the oldest part first. */
  readonly #windows: Map<string, WindowPart[]> = new Map();
  /** By pool, and key. */
  readonly #big: Map<string, Map<string, BigKeyRow>> = new Map();

  /** @param saved big keys, as a program before this one left them */
  constructor(saved: readonly BigKeyRow[] | undefined, clocks: Clocks = CLOCKS) {
    this.#clocks = clocks;
    this.tracking = new KeyTracking(clocks.epochMs);
    for (const row of saved ?? []) this.#bigOf(row.pool).set(row.key, row);
  }

  /** The big ones: of the others there are new ones soon. */
  snapshot(): readonly BigKeyRow[] {
    return [...this.#big.values()].flatMap((keys) => [...keys.values()]);
  }

  add({ pool, requests, samples, hot, big }: KeyReport): void {
    this.tracking.add(pool, hot);
    const part = this.#partOf(pool);
    part.requests += requests;
    part.samples += samples;
    for (const one of hot) {
      const before = part.keys.get(one.key);
      if (before !== undefined) part.keys.set(one.key, sum(before, one));
      else if (part.keys.size < HOT_KEPT_MAX) part.keys.set(one.key, one);
    }
    if (big.length > 0) this.#addBig(pool, big);
  }

  /** @param pools those that are asked for */
  hot(pools: readonly string[], limit: number): HotKeysReport {
    let requests = 0;
    let samples = 0;
    const rows: HotKeyRow[] = [];
    for (const pool of pools) {
      const parts = this.#recent(pool);
      const ofPool = parts.reduce((all, part) => all + part.requests, 0);
      requests += ofPool;
      samples += parts.reduce((all, part) => all + part.samples, 0);
      rows.push(...this.#rowsOf(pool, parts, ofPool));
    }
    rows.sort((a, b) => b.requests - a.requests);
    return { rows: rows.filter((_, i) => i < limit), windowMs: HOT_WINDOW_MS, requests, samples };
  }

  big(
    pools: readonly string[],
    { limit, order }: { readonly limit: number; readonly order: BigKeyOrder },
  ): BigKeysReport {
    const sinceMs = this.#clocks.epochMs() - BIG_KEPT_MS;
    const rows = pools.flatMap((pool) => [...(this.#big.get(pool)?.values() ?? [])]);
    const known = rows.filter(({ atMs }) => atMs > sinceMs);
    const value = (row: BigKeyRow): number => row[order] ?? -1;
    known.sort((a, b) => value(b) - value(a) || b.atMs - a.atMs);
    return { rows: known.filter((_, i) => i < limit), kept: known.length };
  }

  /** Forgets the big keys of a pool; null: of all. */
  reset(pool: string | null): void {
    if (pool === null) this.#big.clear();
    else this.#big.delete(pool);
  }

  #rowsOf(pool: string, parts: readonly WindowPart[], requests: number): HotKeyRow[] {
    const [oldest] = parts;
    if (oldest === undefined) return [];
    const tookMs = Math.max(this.#clocks.nowMs() - oldest.number * PART_MS, 1000);
    const all = new Map<string, HotKeyPart>();
    for (const { keys } of parts) {
      for (const [key, part] of keys) {
        const before = all.get(key);
        all.set(key, before === undefined ? part : sum(before, part));
      }
    }
    return [...all.values()].map((part) => ({
      ...{ pool, ...part },
      perSecond: (part.requests * 1000) / tookMs,
      share: requests === 0 ? 0 : Math.min(part.requests / requests, 1),
    }));
  }

  #recent(pool: string): readonly WindowPart[] {
    const now = this.#number;
    const parts = this.#windows.get(pool) ?? [];
    return parts.filter(({ number }) => number > now - HOT_WINDOW_PARTS);
  }

  get #number(): number {
    return Math.floor(this.#clocks.nowMs() / PART_MS);
  }

  /** The part that goes on now. */
  #partOf(pool: string): WindowPart {
    const number = this.#number;
    const parts = this.#windows.get(pool) ?? [];
    const last = parts.at(-1);
    if (last !== undefined && last.number === number) return last;
    const part = { number, keys: new Map(), requests: 0, samples: 0 };
    this.#windows.set(pool, [...this.#recent(pool), part]);
    return part;
  }

  #bigOf(pool: string): Map<string, BigKeyRow> {
    let keys = this.#big.get(pool);
    if (keys === undefined) {
      keys = new Map();
      this.#big.set(pool, keys);
    }
    return keys;
  }

  #addBig(pool: string, big: KeyReport["big"]): void {
    const keys = this.#bigOf(pool);
    const atMs = this.#clocks.epochMs();
    for (const part of big) {
      const before = keys.get(part.key);
      const elements = Math.max(before?.elements ?? -1, part.elements ?? -1);
      keys.set(part.key, {
        ...{ pool, ...part },
        bytes: Math.max(before?.bytes ?? 0, part.bytes),
        elements: elements < 0 ? null : elements,
        ...{ seen: (before?.seen ?? 0) + 1, atMs },
      });
    }
    if (keys.size <= BIG_KEPT_MAX) return;
    // Half of the room for those with the most bytes, and half for the longest.
    const half = BIG_KEPT_MAX / 2;
    const fresh = [...keys.values()].filter((row) => row.atMs > atMs - BIG_KEPT_MS);
    const bytes = fresh.toSorted((a, b) => b.bytes - a.bytes);
    const long = fresh.toSorted((a, b) => (b.elements ?? -1) - (a.elements ?? -1));
    this.#big.set(
      pool,
      new Map(
        [bytes, long]
          .flatMap((rows) => rows.filter((_, i) => i < half))
          .map((row) => [row.key, row]),
      ),
    );
  }
}

function sum(a: HotKeyPart, b: HotKeyPart): HotKeyPart {
  return {
    ...b,
    requests: a.requests + b.requests,
    bytes: a.bytes + b.bytes,
    samples: a.samples + b.samples,
    us: (a.us ?? 0) + (b.us ?? 0),
  };
}
