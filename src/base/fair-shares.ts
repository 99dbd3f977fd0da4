/**
 * Divides a bounded number of places among users, so that one user cannot take them all: a user may hold at most three times as
 * many as are free. One alone comes to three quarters of all; the next to three quarters of the rest; n that take all they can
 * come to nearly the same each. Switches share their buffers by this rule, there called "dynamic threshold".
 */
const TIMES_FREE = 3;

export class FairShares {
  /** By user. */
  private readonly held: Map<string, number> = new Map();

  /** @param free places that are not held */
  mayTake(user: string, free: number): boolean {
    return this.heldBy(user) < TIMES_FREE * free;
  }

  heldBy(user: string): number {
    return this.held.get(user) ?? 0;
  }

  take(user: string): void {
    this.held.set(user, this.heldBy(user) + 1);
  }

  giveBack(user: string): void {
    const left = this.heldBy(user) - 1;
    if (left > 0) this.held.set(user, left);
    else this.held.delete(user);
  }
}
