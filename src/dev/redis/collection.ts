/** What hashes, lists, sets and sorted sets have in common: they count their bytes, and an empty one does not exist. */

/** Estimated bytes that one shard holds. */
export interface Meter {
  used: number;
}

/** Estimated bytes per item beside its text: the string's header and its place in a table. */
const ITEM_BYTES = 48;

export abstract class Collection {
  /** The word that TYPE answers. */
  abstract readonly type: "hash" | "list" | "set" | "zset";
  abstract readonly size: number;
  readonly #meter: Meter;
  #bytes = 0;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** Takes this value's bytes off the meter: it was deleted or replaced. */
  release(): void {
    this.#meter.used -= this.#bytes;
    this.#bytes = 0;
  }

  /** Counts an item that came (`count` 1) or went (-1). */
  protected account(count: 1 | -1, textBytes: number): void {
    const bytes = count * (textBytes + ITEM_BYTES);
    this.#bytes += bytes;
    this.#meter.used += bytes;
  }
}
