/** One contributor's share of a gauge that several connections add up in. */
export class Gauge {
  private readonly counters: Float64Array;
  private readonly index: number;
  private share = 0;

  constructor(counters: Float64Array, index: number) {
    this.counters = counters;
    this.index = index;
  }

  /** Makes `value` this contributor's share. */
  set(value: number): void {
    if (value === this.share) return;
    this.counters[this.index]! += value - this.share;
    this.share = value;
  }
}
