/**
 * The states that something can be in, and which may follow which: a table in place of flags whose combinations are left to chance.
 *
 * States are bits, so that several can be tested at once. A step costs a look into a small array, and allocates nothing.
 */
import { assert } from "./assert.ts";

export interface StateRow {
  /** A number with one bit set. */
  readonly state: number;
  readonly name: string;
  /** The bits of all states that may follow. */
  readonly next: number;
}

export class StateTable {
  private readonly about: string;
  /** Both by the place of a state's bit. */
  private readonly names: string[] = [];
  private readonly next: Int32Array = new Int32Array(32);

  /** @param about what has these states, for the message of a broken invariant */
  constructor(about: string, rows: readonly StateRow[]) {
    this.about = about;
    for (const { state, name, next } of rows) {
      this.names[placeOf(state)] = name;
      this.next[placeOf(state)] = next;
    }
  }

  /** @returns `to`. That it may not follow `from` is a programmer's error. */
  step(from: number, to: number): number {
    if ((this.next[placeOf(from)]! & to) === 0) this.refuse(from, to);
    return to;
  }

  nameOf(state: number): string {
    return this.names[placeOf(state)] ?? `state ${state}`;
  }

  private refuse(from: number, to: number): never {
    assert(false, `${this.about} went from "${this.nameOf(from)}" to "${this.nameOf(to)}"`);
  }
}

function placeOf(state: number): number {
  return 31 - Math.clz32(state);
}
