/**
 * What one embedded memcached holds. Least recently used items make room for new ones, as memcached's own do.
 *
 * Items stand in order of use: a Map keeps the order in which its keys were put in.
 */
import { type Item, itemBytes } from "./item.ts";

/** Largest item, with memcached's own overhead: its default of `-I`. */
export const ITEM_BYTES_MAX: number = 1024 * 1024;
/** Longer expiry times are moments, not durations. */
const RELATIVE_SECONDS_MAX = 60 * 60 * 24 * 30;

export class Store {
  readonly bytesMax: number;
  readonly #clock: () => number;
  readonly #items = new Map<string, Item>();
  #bytes = 0;
  #lastCas = 0;
  /** When everything is to be forgotten, in seconds since the epoch. */
  #flushAt = Number.POSITIVE_INFINITY;
  evictions = 0;
  totalItems = 0;

  /** @param clock answers milliseconds since the epoch */
  constructor(bytesMax: number, clock: () => number) {
    this.bytesMax = bytesMax;
    this.#clock = clock;
  }

  get size(): number {
    return this.#items.size;
  }

  /** Bytes of all items, with memcached's own overhead. */
  get bytes(): number {
    return this.#bytes;
  }

  now(): number {
    return Math.floor(this.#clock() / 1000);
  }

  /** What a client's expiry time means, in seconds since the epoch; 0: never. Negative: at once. */
  expiryOf(exptime: number): number {
    if (exptime === 0) return 0;
    if (exptime < 0) return this.now();
    return exptime > RELATIVE_SECONDS_MAX ? exptime : this.now() + exptime;
  }

  /** The item, which does not count as a use of it. */
  peek(key: string): Item | null {
    this.#flushWhenDue();
    const item = this.#items.get(key);
    if (item === undefined) return null;
    if (item.expiresAt === 0 || item.expiresAt > this.now()) return item;
    this.delete(key);
    return null;
  }

  /** The item, which is now the one used last. */
  use(key: string): Item | null {
    const item = this.bump(key);
    if (item === null) return null;
    item.usedAt = this.now();
    item.isFetched = true;
    return item;
  }

  /** The item, which is now the last one to be evicted. */
  bump(key: string): Item | null {
    const item = this.peek(key);
    if (item === null) return null;
    this.#items.delete(key);
    this.#items.set(key, item);
    return item;
  }

  /** Puts a new item in the place of any old one. The caller has checked `fits`. */
  put(key: string, value: string, flags: number, expiresAt: number): Item {
    this.#flushWhenDue();
    this.delete(key);
    const now = this.now();
    const cas = this.nextCas();
    const marks = { isFetched: false, isStale: false, isWon: false, isKeyBinary: false };
    const item: Item = { key, value, flags, expiresAt, cas, usedAt: now, ...marks };
    this.#items.set(key, item);
    this.#bytes += itemBytes(key, value.length, flags);
    this.totalItems += 1;
    this.#makeRoom();
    return item;
  }

  /** Changes the value to one of the same length, in place. */
  overwrite(item: Item, value: string): void {
    item.value = value;
    item.cas = this.nextCas();
  }

  delete(key: string): boolean {
    const item = this.#items.get(key);
    if (item === undefined) return false;
    this.#bytes -= itemBytes(key, item.value.length, item.flags);
    return this.#items.delete(key);
  }

  fits(key: string, valueBytes: number, flags: number): boolean {
    return itemBytes(key, valueBytes, flags) <= ITEM_BYTES_MAX;
  }

  /** Forgets everything: now when `exptime` is not above 0, else at that time. */
  flush(exptime: number): void {
    this.nextCas();
    this.#flushAt = exptime > 0 ? this.expiryOf(exptime) : Number.POSITIVE_INFINITY;
    if (exptime <= 0) this.#clear();
  }

  nextCas(): number {
    this.#lastCas += 1;
    return this.#lastCas;
  }

  #flushWhenDue(): void {
    if (this.now() < this.#flushAt) return;
    this.#flushAt = Number.POSITIVE_INFINITY;
    this.#clear();
  }

  #clear(): void {
    this.#items.clear();
    this.#bytes = 0;
  }

  #makeRoom(): void {
    for (const oldest of this.#items.keys()) {
      if (this.#bytes <= this.bytesMax) return;
      this.delete(oldest);
      this.evictions += 1;
    }
  }
}
