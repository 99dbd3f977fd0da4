/**
 * A set that may become very large, without the pause in which a large Set makes its table twice as large: it consists of
 * Sets of a limited size. Looking for a member goes through all of them, which is cheap beside that.
 *
 * Iterating it, one meets members in the order in which they were added, but for gaps that were filled; what is added or
 * removed meanwhile may be met or not.
 */
const SEGMENT_MAX = 8192;

export class SegmentedSet<T> {
  size = 0;

  private readonly segments: Set<T>[] = [new Set()];

  /** @param member is not in it */
  add(member: T): void {
    let last = this.segments.at(-1)!;
    if (last.size >= SEGMENT_MAX) {
      last = new Set();
      this.segments.push(last);
    }
    last.add(member);
    this.size++;
  }

  has(member: T): boolean {
    return this.segments.some((segment) => segment.has(member));
  }

  /** @returns whether it was in it */
  delete(member: T): boolean {
    const at = this.segments.findIndex((segment) => segment.delete(member));
    if (at < 0) return false;
    this.size--;
    if (this.segments[at]!.size === 0 && this.segments.length > 1) this.segments.splice(at, 1);
    return true;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (const segment of [...this.segments]) yield* segment;
  }
}
