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
  /** The one that members are added to. */
  private open: Set<T> = this.segments[0]!;

  /** @param member is not in it */
  add(member: T): void {
    if (this.open.size >= SEGMENT_MAX) this.open = this.findRoom();
    this.open.add(member);
    this.size++;
  }

  /** So there are never many more segments than the members need, however often members come and go. */
  private findRoom(): Set<T> {
    const found = this.segments.find(({ size }) => size <= SEGMENT_MAX / 2);
    if (found !== undefined) return found;
    const segment = new Set<T>();
    this.segments.push(segment);
    return segment;
  }

  has(member: T): boolean {
    return this.segments.some((segment) => segment.has(member));
  }

  /** @returns whether it was in it */
  delete(member: T): boolean {
    const { segments } = this;
    let at = 0;
    while (at < segments.length && !segments[at]!.delete(member)) at++;
    if (at === segments.length) return false;
    this.size--;
    if (segments[at]!.size === 0 && segments[at] !== this.open) segments.splice(at, 1);
    return true;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (const segment of [...this.segments]) yield* segment;
  }
}
