/** The keys and values that every server of a run holds, whatever it speaks. */

/** Bytes that one fill may need on one server. */
const FILL_BYTES_MAX = 64 * 1024 * 1024;
const KEYS_MAX = 20_000;

export interface KeySpace {
  readonly keys: number;
  readonly valueBytes: number;
}

export function keySpaceFor(valueBytes: number): KeySpace {
  return { keys: Math.min(KEYS_MAX, Math.floor(FILL_BYTES_MAX / valueBytes)), valueBytes };
}

/** The name that redis-benchmark gives to key number `index`. */
export function keyName(index: number): string {
  return `key:${String(index).padStart(12, "0")}`;
}

/** What is stored under key number `index`: the key's own name first, so that a mixed-up reply shows. */
export function storedValue(index: number, valueBytes: number): string {
  return keyName(index).padEnd(valueBytes, "x");
}
