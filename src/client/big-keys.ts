/** The largest keys that were noticed in one pool of one worker since it told of them last. */
import type { BigKeyPart } from "../api/key-report.ts";
import { KEYS_TOLD_MAX } from "../base/key-limits.ts";

/** What counts as large; Infinity: nothing does. */
export interface BigLimits {
  readonly bytes: number;
  readonly elements: number;
}

export class BigKeys {
  private keys: Map<string, BigKeyPart> = new Map();

  get size(): number {
    return this.keys.size;
  }

  add(part: BigKeyPart, limits: BigLimits): void {
    const before = this.keys.get(part.key);
    if (before !== undefined) this.keys.set(part.key, larger(before, part));
    else if (this.keys.size < KEYS_TOLD_MAX || this.dropSmaller(part, limits)) {
      this.keys.set(part.key, part);
    }
  }

  /** All, and forgets them. */
  take(): BigKeyPart[] {
    const all = [...this.keys.values()];
    this.keys = new Map();
    return all;
  }

  /** False: all are as large. */
  private dropSmaller(part: BigKeyPart, limits: BigLimits): boolean {
    let smallest = part;
    for (const other of this.keys.values()) {
      if (sizeOf(other, limits) < sizeOf(smallest, limits)) smallest = other;
    }
    return this.keys.delete(smallest.key);
  }
}

/** Of the two the last one, with the largest that was seen. */
export function larger<Part extends BigKeyPart>(before: BigKeyPart, part: Part): Part {
  const elements = Math.max(before.elements ?? -1, part.elements ?? -1);
  return {
    ...part,
    bytes: Math.max(before.bytes, part.bytes),
    elements: elements < 0 ? null : elements,
  };
}

/** In the measure of what counts as large. */
function sizeOf({ bytes, elements }: BigKeyPart, limits: BigLimits): number {
  return Math.max(bytes / limits.bytes, (elements ?? 0) / limits.elements);
}
