/**
 * The moment in which all workers of a proxy pass from one ring to another: no request is at a server by the old ring when the first one
 * goes by the new ring.
 *
 *   idle ─begin─▶ holding ─ all are quiet ─▶ deciding ─ it is written down ─▶ idle, moved
 *                    └─ not in time, or it cannot be written ─▶ idle, released
 *
 * A worker holds back its requests when it is told to, and says that it is quiet when none is at a server. One that dies counts as quiet: what
 * it had sent may still be executed, but none of it was answered. One that starts meanwhile holds back requests from its start.
 *
 * Decides only: it sends, writes and waits through its effects.
 */

export interface SwitchEffects<Worker> {
  /** Tells `worker` to hold back requests. It answers by `onQuiet`. */
  hold(worker: Worker): void;
  /** Every worker, also one that starts, goes on by the old ring. */
  release(): void;
  /** Has it written down that the new ring holds: `onDecided` follows, or `onUndecided`. */
  decide(): void;
  /** Every worker, also one that starts, goes on by the new ring. */
  move(): void;
}

export type SwitchState = "idle" | "holding" | "deciding";

export class RingSwitch<Worker> {
  state: SwitchState = "idle";
  private readonly effects: SwitchEffects<Worker>;
  private readonly waiting: Set<Worker> = new Set();

  constructor(effects: SwitchEffects<Worker>) {
    this.effects = effects;
  }

  /** Those that have requests at servers. */
  get awaited(): readonly Worker[] {
    return [...this.waiting];
  }

  /** @param workers all that there are, also those that are just starting */
  begin(workers: readonly Worker[]): void {
    if (this.state !== "idle") return;
    this.state = "holding";
    for (const worker of workers) this.waiting.add(worker);
    for (const worker of workers) this.effects.hold(worker);
    this.check();
  }

  onQuiet(worker: Worker): void {
    this.waiting.delete(worker);
    this.check();
  }

  onGone(worker: Worker): void {
    this.waiting.delete(worker);
    this.check();
  }

  /** The time for it is over. */
  onDeadline(): void {
    if (this.state === "holding") this.giveUp();
  }

  onDecided(): void {
    if (this.state !== "deciding") return;
    this.state = "idle";
    this.effects.move();
  }

  /** It was surely not written down. */
  onUndecided(): void {
    if (this.state === "deciding") this.giveUp();
  }

  private giveUp(): void {
    this.state = "idle";
    this.waiting.clear();
    this.effects.release();
  }

  private check(): void {
    if (this.state !== "holding" || this.waiting.size > 0) return;
    this.state = "deciding";
    this.effects.decide();
  }
}
