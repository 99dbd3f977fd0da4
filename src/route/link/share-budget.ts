/**
 * How many requests may be asked for a second time: a share of all, so that servers that are slow, or lost, together are not met by twice as many
 * requests.
 */
export class ShareBudget {
  private readonly share: number;
  private readonly savedMax: number;
  private saved: number;

  /** @param share from 0 to 1 @param savedMax so many at once, after a while without any */
  constructor(share: number, savedMax: number) {
    this.share = share;
    this.savedMax = savedMax;
    this.saved = savedMax;
  }

  /** So many were asked for a first time. */
  onFirst(count: number): void {
    this.saved = Math.min(this.savedMax, this.saved + count * this.share);
  }

  /** @returns false: not now */
  spend(): boolean {
    if (this.saved < 1) return false;
    this.saved--;
    return true;
  }
}
