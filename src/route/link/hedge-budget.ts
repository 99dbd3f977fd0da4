/** How many reads may be asked for a second time: a share of all reads, so that servers that are slow together are not asked twice as much. */

/** So many at once, after a while without any. */
const SAVED_MAX = 10;

export class HedgeBudget {
  private readonly share: number;
  private saved = SAVED_MAX;

  /** @param share from 0 to 1 */
  constructor(share: number) {
    this.share = share;
  }

  onReads(count: number): void {
    this.saved = Math.min(SAVED_MAX, this.saved + count * this.share);
  }

  /** @returns false: not now */
  spend(): boolean {
    if (this.saved < 1) return false;
    this.saved--;
    return true;
  }
}
