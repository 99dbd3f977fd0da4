/** A sorted set: a score by member, and all members in order of (score, member). */
import { Collection } from "./collection.ts";

export interface Scored {
  readonly member: string;
  readonly score: number;
}

const SCORE_BYTES = 24;

export class SortedSetValue extends Collection {
  override readonly type = "zset";
  readonly #scores = new Map<string, number>();
  readonly #order: Scored[] = [];

  override get size(): number {
    return this.#order.length;
  }

  score(member: string): number | undefined {
    return this.#scores.get(member);
  }

  /** Adds the member or moves it to its new score. Minus zero becomes zero, as in Redis's compact sorted sets. */
  set(member: string, newScore: number): void {
    const score = newScore + 0;
    this.delete(member);
    this.#scores.set(member, score);
    const item = { member, score };
    this.#order.splice(
      this.firstWhere((other) => compare(other, item) > 0),
      0,
      item,
    );
    this.account(1, member.length + SCORE_BYTES);
  }

  delete(member: string): boolean {
    const rank = this.rank(member);
    if (rank === undefined) return false;
    this.#scores.delete(member);
    this.#order.splice(rank, 1);
    this.account(-1, member.length + SCORE_BYTES);
    return true;
  }

  /** Position from 0 in ascending order. */
  rank(member: string): number | undefined {
    const score = this.#scores.get(member);
    if (score === undefined) return undefined;
    return this.firstWhere((other) => compare(other, { member, score }) >= 0);
  }

  /** Rank of the first item for which `holds` is true; it must be false for all before and true for all after. */
  firstWhere(holds: (item: Scored) => boolean): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.#order[middle]!)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Items with first ≤ rank ≤ last, which must lie within the set. */
  range(first: number, last: number): Scored[] {
    const items: Scored[] = [];
    for (let rank = first; rank <= last; rank += 1) items.push(this.#order[rank]!);
    return items;
  }
}

function compare(left: Scored, right: Scored): number {
  if (left.score !== right.score) return left.score < right.score ? -1 : 1;
  if (left.member === right.member) return 0;
  return left.member < right.member ? -1 : 1;
}
