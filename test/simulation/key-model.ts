/**
 * What is known of one key's value: all values that it can have, by the replies that have come and by those that have not.
 * What was sent without a reply may be executed at any later time, or never.
 */

/** What commands do to values; see redis-model.ts. */
export interface Semantics<Value> {
  apply(
    command: readonly string[],
    value: Value,
  ): { readonly reply: string; readonly value: Value } | null;
  /** It leaves what it sets, whatever was there, and however often it is executed. */
  isSetting(command: readonly string[]): boolean;
  isReading(command: readonly string[]): boolean;
}

/** With more possible values a key is given up. */
const VALUES_MAX = 64;

export class KeyModel<Value> {
  /** By their JSON. */
  private values: Map<string, Value> = new Map();
  /** They may be executed at any time. */
  private readonly late: (readonly string[])[] = [];
  /** So many are executed or not that anything is possible. */
  isUnknown = false;
  private readonly semantics: Semantics<Value>;

  constructor(semantics: Semantics<Value>, initial: Value) {
    this.semantics = semantics;
    this.add(this.values, initial);
  }

  private add(to: Map<string, Value>, value: Value): boolean {
    const key = JSON.stringify(value);
    if (to.has(key)) return false;
    to.set(key, value);
    return true;
  }

  /** With what may have happened meanwhile. */
  private possible(): Map<string, Value> {
    if (this.late.length === 0) return this.values;
    const all = new Map(this.values);
    for (let isGrowing = true; isGrowing; ) {
      isGrowing = false;
      for (const command of this.late) {
        for (const value of [...all.values()]) {
          const outcome = this.semantics.apply(command, value);
          if (outcome !== null && this.add(all, outcome.value)) isGrowing = true;
        }
      }
      if (all.size > VALUES_MAX) this.isUnknown = true;
      if (this.isUnknown) break;
    }
    return all;
  }

  /** `command` was answered by `reply`. @returns what is wrong with that; null: nothing */
  answered(command: readonly string[], reply: string): string | null {
    if (this.isUnknown) return null;
    const before = this.possible();
    if (this.isUnknown) return null;
    const after: Map<string, Value> = new Map();
    const expected = new Set<string>();
    for (const value of before.values()) {
      const outcome = this.semantics.apply(command, value);
      if (outcome === null) return `the command ${command[0]} is not known`;
      expected.add(outcome.reply);
      if (outcome.reply === reply) this.add(after, outcome.value);
    }
    if (after.size === 0) {
      return `${JSON.stringify(command)} was answered by ${JSON.stringify(reply)}, and possible is ${JSON.stringify([...expected].slice(0, 4))}`;
    }
    this.values = after;
    return null;
  }

  /** It may be executed, now or later, or it is not. */
  uncertain(command: readonly string[]): void {
    if (this.semantics.isReading(command)) return;
    if (this.semantics.isSetting(command)) this.late.push(command);
    else this.isUnknown = true;
  }

  /** Whether `value` is one that the key can have now. */
  allows(value: Value): boolean {
    const possible = this.possible();
    return this.isUnknown || possible.has(JSON.stringify(value));
  }

  /** Something may have been executed that was not answered. */
  get isUncertain(): boolean {
    return this.isUnknown || this.late.length > 0;
  }

  get shown(): string {
    return [...this.possible().keys()].join(" or ");
  }
}
