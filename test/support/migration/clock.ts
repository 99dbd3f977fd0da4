/** Time and chance of a simulation: everything that happens is decided by one seed. */
interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

export class Clock {
  nowMs = 0;
  private readonly heap: Happening[] = [];
  private orders = 0;
  private state: number;

  constructor(seed: number) {
    this.state = (seed * 2654435761) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.random();
  }

  /** Between 0 and 1. */
  random(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Of a message: as a rule short, and sometimes longer than anything waits for. */
  delayMs(): number {
    if (this.chance(0.01)) return this.below(900);
    return this.chance(0.1) ? this.below(100) : 1 + this.below(8);
  }

  at(atMs: number, act: () => void): void {
    const { heap } = this;
    let child = heap.push({ atMs, order: this.orders++, act }) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(heap[child]!, heap[parent]!)) break;
      [heap[child], heap[parent]] = [heap[parent]!, heap[child]!];
      child = parent;
    }
  }

  after(ms: number, act: () => void): void {
    this.at(this.nowMs + ms, act);
  }

  /** @returns false: nothing happens any more */
  step(): boolean {
    const { heap } = this;
    const [first] = heap;
    if (first === undefined) return false;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.sink();
    }
    this.nowMs = first.atMs;
    first.act();
    return true;
  }

  private sink(): void {
    const { heap } = this;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) return;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, heap[parent]!)) return;
      [heap[child], heap[parent]] = [heap[parent]!, heap[child]!];
      parent = child;
    }
  }
}

function isBefore(one: Happening, other: Happening): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
