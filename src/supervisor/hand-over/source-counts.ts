/** How many packets each worker has sent: told of, and taken off its socket. A worker that dies may have sent some without telling. */
interface Counts {
  told: number;
  taken: number;
}

export class SourceCounts<Worker extends object> {
  readonly #counts = new WeakMap<Worker, Counts>();

  onTold(source: Worker, packets: number): void {
    this.#of(source).told += packets;
  }

  onTaken(source: Worker): void {
    this.#of(source).taken += 1;
  }

  /** Packets of `source` that were taken off its socket. */
  taken(source: Worker): number {
    return this.#of(source).taken;
  }

  /** Those of them of which `source` had not told; right once its socket is empty. */
  untold(source: Worker): number {
    const { told, taken } = this.#of(source);
    return Math.max(taken - told, 0);
  }

  #of(source: Worker): Counts {
    const known = this.#counts.get(source);
    if (known !== undefined) return known;
    const counts = { told: 0, taken: 0 };
    this.#counts.set(source, counts);
    return counts;
  }
}
