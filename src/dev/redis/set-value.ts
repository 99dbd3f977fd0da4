import { Collection } from "./collection.ts";

/** A set of members, in order of insertion. */
export class SetValue extends Collection {
  override readonly type = "set";
  readonly #members = new Set<string>();

  override get size(): number {
    return this.#members.size;
  }

  has(member: string): boolean {
    return this.#members.has(member);
  }

  /** @returns whether the member is new */
  add(member: string): boolean {
    if (this.#members.has(member)) return false;
    this.#members.add(member);
    this.account(1, member.length);
    return true;
  }

  delete(member: string): boolean {
    if (!this.#members.delete(member)) return false;
    this.account(-1, member.length);
    return true;
  }

  members(): string[] {
    return [...this.#members];
  }
}
