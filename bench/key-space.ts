/** The keys and values that every server of a run holds, whatever it speaks. */

/** Bytes that one fill may need on one server. */
const FILL_BYTES_MAX = 64 * 1024 * 1024;
const KEYS_MAX = 20_000;
/** What values are filled up with. */
export const FILLER = "x";
const SAMPLE_MAX = 100;
const SAMPLE_BYTES = 4 * 1024 * 1024;
/** Shares no factor with the numbers of keys, so that all keys of a sample differ. */
const SAMPLE_STEP = 7919;

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
  return keyName(index).padEnd(valueBytes, FILLER);
}

/** Keys whose values are looked at before a measurement. */
export function sampleOf(space: KeySpace): readonly number[] {
  const count = Math.min(SAMPLE_MAX, Math.max(2, Math.floor(SAMPLE_BYTES / space.valueBytes)));
  return Array.from({ length: count }, (_, n) => (n * SAMPLE_STEP) % space.keys);
}
