/** What memcached's three protocols can do to an item, in words that none of them speaks. */
import type { Item } from "./item.ts";
import type { Store } from "./store.ts";

export type StoreMode = "set" | "add" | "replace" | "append" | "prepend";
export type StoreOutcome = "stored" | "not_stored" | "exists" | "not_found";

export interface StoreOrder {
  readonly mode: StoreMode;
  readonly key: string;
  readonly value: string;
  readonly flags: number;
  /** Seconds since the epoch; 0: never. */
  readonly expiresAt: number;
  /** The CAS that the item must have; null: any, or no item at all. */
  readonly cas: bigint | null;
  /** With a `cas` older than the item's: store all the same, marked as stale. */
  readonly mayBeStale: boolean;
}

/** @returns with the item as it now is, when it was stored */
export function storeItem(
  store: Store,
  order: StoreOrder,
): { outcome: StoreOutcome; item: Item | null } {
  const { mode, key, cas } = order;
  const old = store.peek(key);
  let isStale = false;
  if (cas !== null) {
    if (old === null) return { outcome: "not_found", item: null };
    if (BigInt(old.cas) !== cas) {
      isStale = order.mayBeStale && cas < BigInt(old.cas);
      if (!isStale) return { outcome: "exists", item: null };
    }
  }
  if (mode === "add" && old !== null) {
    store.bump(key);
    return { outcome: "not_stored", item: null };
  }
  if (mode === "set" || mode === "add") return stored(putOrdered(store, order, isStale));
  if (old === null) return { outcome: "not_stored", item: null };
  if (mode === "replace") return stored(putOrdered(store, order, isStale));
  const joined = mode === "append" ? old.value + order.value : order.value + old.value;
  if (!store.fits(key, joined.length, old.flags)) return { outcome: "not_stored", item: null };
  return stored(store.put(key, joined, old.flags, old.expiresAt));
}

function stored(item: Item): { outcome: StoreOutcome; item: Item } {
  return { outcome: "stored", item };
}

function putOrdered(store: Store, order: StoreOrder, isStale: boolean): Item {
  const item = store.put(order.key, order.value, order.flags, order.expiresAt);
  item.isStale = isStale;
  item.isWon = isStale;
  return item;
}

const UINT64 = 2n ** 64n;
/** What C's strtoull accepts at the start of a value, with only white space behind it looked at. */
const NUMBER = /^[ \t\n\v\f\r]*\+?([0-9]+)(?=[ \t\n\v\f\r]|$)/;

export interface Delta {
  readonly amount: bigint;
  readonly isUp: boolean;
  /** The CAS that the item must have; null: any. */
  readonly cas: bigint | null;
}

/** Adds, or takes off; wraps at 2^64 upwards and stops at 0 downwards. @returns the number that is there now */
export function addDelta(
  store: Store,
  item: Item,
  delta: Delta,
): bigint | "exists" | "not_numeric" {
  if (item.value === "") return "not_numeric";
  if (delta.cas !== null && delta.cas !== BigInt(item.cas)) return "exists";
  const digits = NUMBER.exec(item.value)?.[1];
  if (digits === undefined) return "not_numeric";
  const value = BigInt(digits);
  if (value >= UINT64) return "not_numeric";
  const down = delta.amount > value ? 0n : value - delta.amount;
  const result = delta.isUp ? (value + delta.amount) % UINT64 : down;
  const text = String(result);
  if (text.length > item.value.length) {
    store.put(item.key, text, item.flags, item.expiresAt);
  } else {
    // memcached writes into the old place and pads with blanks.
    store.overwrite(item, text.padEnd(item.value.length, " "));
  }
  return result;
}
