/**
 * A list that grows and shrinks at both ends in constant time: two arrays, back to back.
 *
 *     index 0 ─▶  #front (reversed)  │  #back  ◀─ last index
 */
import { Collection } from "./collection.ts";

export type ListEnd = "left" | "right";

export class ListValue extends Collection {
  override readonly type = "list";
  #front: string[] = [];
  #back: string[] = [];

  override get size(): number {
    return this.#front.length + this.#back.length;
  }

  /** Element by index from 0; undefined outside. */
  at(index: number): string | undefined {
    if (index < 0) return undefined;
    const turned = this.#front.length - 1 - index;
    return turned >= 0 ? this.#front[turned] : this.#back[index - this.#front.length];
  }

  push(end: ListEnd, value: string): void {
    (end === "left" ? this.#front : this.#back).push(value);
    this.account(1, value.length);
  }

  pop(end: ListEnd): string | undefined {
    if ((end === "left" ? this.#front : this.#back).length === 0) this.#balance();
    const near = end === "left" ? this.#front : this.#back;
    const far = end === "left" ? this.#back : this.#front;
    // After balancing, the near side is empty only when one element is left at most.
    const value = near.length > 0 ? near.pop() : far.pop();
    if (value !== undefined) this.account(-1, value.length);
    return value;
  }

  /** `index` must exist. */
  set(index: number, value: string): void {
    const old = this.at(index);
    if (old === undefined) throw new Error("list index out of range");
    this.account(-1, old.length);
    this.account(1, value.length);
    const turned = this.#front.length - 1 - index;
    if (turned >= 0) this.#front[turned] = value;
    else this.#back[index - this.#front.length] = value;
  }

  insert(index: number, value: string): void {
    const values = this.toArray();
    values.splice(index, 0, value);
    this.#back = values;
    this.#front = [];
    this.account(1, value.length);
  }

  /** Keeps the elements that `keep` says yes to. @returns how many went */
  filter(keep: (value: string, index: number) => boolean): number {
    const kept: string[] = [];
    let removed = 0;
    for (const [index, value] of this.toArray().entries()) {
      if (keep(value, index)) {
        kept.push(value);
      } else {
        removed += 1;
        this.account(-1, value.length);
      }
    }
    this.#front = [];
    this.#back = kept;
    return removed;
  }

  /** Elements with first ≤ index ≤ last, clamped to what exists. */
  range(first: number, last: number): string[] {
    const values: string[] = [];
    const end = Math.min(last, this.size - 1);
    for (let index = Math.max(first, 0); index <= end; index += 1) values.push(this.at(index)!);
    return values;
  }

  toArray(): string[] {
    return this.range(0, this.size - 1);
  }

  /** Shares the elements evenly, so that popping from either end stays cheap on average. */
  #balance(): void {
    const values = this.toArray();
    const middle = values.length >> 1;
    this.#back = values.splice(middle);
    this.#front = values.reverse();
  }
}
