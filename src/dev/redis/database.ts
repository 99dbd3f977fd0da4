/**
 * One numbered database of a shard: keys, values, and when they expire.
 *
 * Expired keys go when they are touched; all of them go when they are counted or memory runs short (`sweep`).
 */
import { Collection, type Meter } from "./collection.ts";
import { CommandError, WRONG_TYPE } from "./command-error.ts";

export type Value = string | Collection;

interface Entry {
  value: Value;
  /** Rises with every key that comes: the position that SCAN's cursor speaks of. */
  readonly id: number;
  /** Milliseconds since the epoch, any int64; null: never. */
  expiresAtMs: bigint | null;
}

/** Estimated bytes per key beside its text. */
const KEY_BYTES = 112;
/** SCAN positions that are remembered; others are found again by walking. */
const SCANS_MAX = 16;

export class Database {
  readonly meter: Meter;
  readonly #clock: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #expiring = new Set<string>();
  readonly #scans = new Map<number, Iterator<[string, Entry]>>();
  #lastId = 0;

  constructor(meter: Meter, clock: () => number) {
    this.meter = meter;
    this.#clock = clock;
  }

  /** Live keys. */
  get size(): number {
    this.sweep();
    return this.#entries.size;
  }

  get expiringSize(): number {
    return this.#expiring.size;
  }

  get(key: string): Value | undefined {
    return this.#live(key)?.value;
  }

  /** The string at `key`. @throws CommandError when it holds another type */
  getString(key: string): string | undefined {
    const value = this.get(key);
    if (value instanceof Collection) throw new CommandError(WRONG_TYPE);
    return value;
  }

  /** The collection of that kind at `key`. @throws CommandError when it holds another type */
  find<T extends Collection>(key: string, kind: new (meter: Meter) => T): T | undefined {
    const value = this.get(key);
    if (value === undefined || value instanceof kind) return value;
    throw new CommandError(WRONG_TYPE);
  }

  /** As `find`, with an empty one created when there is none: the caller must put something in. */
  ensure<T extends Collection>(key: string, kind: new (meter: Meter) => T): T {
    const found = this.find(key, kind);
    if (found !== undefined) return found;
    const created = new kind(this.meter);
    this.set(key, created);
    return created;
  }

  /** Sets the value and forgets the key's expiry. */
  set(key: string, value: Value): void {
    this.replace(key, value);
    this.setExpiry(key, null);
  }

  /** Sets the value and keeps the key's expiry. The value must be another object than the one that is there. */
  replace(key: string, value: Value): void {
    const entry = this.#live(key);
    if (entry === undefined) {
      this.#lastId += 1;
      this.#entries.set(key, { value, id: this.#lastId, expiresAtMs: null });
      this.meter.used += KEY_BYTES + key.length;
    } else {
      this.#release(entry.value);
      entry.value = value;
    }
    if (typeof value === "string") this.meter.used += value.length;
  }

  delete(key: string): boolean {
    return this.#live(key) !== undefined && this.#remove(key);
  }

  /** Takes the key away when its collection lost its last item. */
  dropIfEmpty(key: string): void {
    const value = this.get(key);
    if (value instanceof Collection && value.size === 0) this.#remove(key);
  }

  /** Moves value and expiry to another name. `from` must exist and differ from `to`. */
  rename(from: string, to: string): void {
    const entry = this.#live(from);
    if (entry === undefined) return;
    const { value, expiresAtMs } = entry;
    this.delete(to);
    this.#entries.delete(from);
    this.#expiring.delete(from);
    this.meter.used -= KEY_BYTES + from.length + (typeof value === "string" ? value.length : 0);
    this.set(to, value);
    this.setExpiry(to, expiresAtMs);
  }

  /** When the key expires, in milliseconds since the epoch; null: never or no such key. */
  expiry(key: string): bigint | null {
    return this.#live(key)?.expiresAtMs ?? null;
  }

  setExpiry(key: string, atMs: bigint | null): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.expiresAtMs = atMs;
    if (atMs === null) this.#expiring.delete(key);
    else this.#expiring.add(key);
  }

  clear(): void {
    for (const key of this.#entries.keys()) this.#remove(key);
    this.#scans.clear();
  }

  keys(): string[] {
    this.sweep();
    return [...this.#entries.keys()];
  }

  randomKey(): string | undefined {
    const keys = this.keys();
    return keys[Math.floor(Math.random() * keys.length)];
  }

  /** Up to `count` keys from the cursor on (0: the start), and the cursor of the rest (0: that was all). */
  scan(cursor: number, count: number): { keys: string[]; cursor: number } {
    const walk = this.#scans.get(cursor) ?? this.#walkFrom(cursor);
    this.#scans.delete(cursor);
    const keys: string[] = [];
    let last = cursor;
    for (let step = 0; step < count && last < this.#lastId; step += 1) {
      const next = walk.next();
      if (next.done === true) {
        last = this.#lastId;
      } else {
        last = next.value[1].id;
        keys.push(next.value[0]);
      }
    }
    const isDone = last >= this.#lastId;
    if (!isDone) this.#remember(last, walk);
    return { keys: keys.filter((key) => this.#live(key) !== undefined), cursor: isDone ? 0 : last };
  }

  /** Removes every expired key. */
  sweep(): void {
    for (const key of this.#expiring) this.#live(key);
  }

  #walkFrom(cursor: number): Iterator<[string, Entry]> {
    const walk = this.#entries.entries();
    if (cursor === 0) return walk;
    return walk.filter(([, entry]) => entry.id > cursor);
  }

  /** A Map's iterator goes on over a changing Map: it is the cheapest place to continue from. */
  #remember(cursor: number, walk: Iterator<[string, Entry]>): void {
    this.#scans.set(cursor, walk);
    if (this.#scans.size <= SCANS_MAX) return;
    for (const oldest of this.#scans.keys()) {
      this.#scans.delete(oldest);
      return;
    }
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAtMs === null) return entry;
    if (entry.expiresAtMs > BigInt(this.#clock())) return entry;
    this.#remove(key);
    return undefined;
  }

  #remove(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#release(entry.value);
    this.meter.used -= KEY_BYTES + key.length;
    this.#expiring.delete(key);
    return this.#entries.delete(key);
  }

  #release(value: Value): void {
    if (typeof value === "string") this.meter.used -= value.length;
    else value.release();
  }
}
