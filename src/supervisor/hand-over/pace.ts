/**
 * The pace of a move: after each round of packets nothing is passed on for as long as the round took, so that the move takes half of
 * what the machine can do at the most, and requests are served in between without waiting for all of its workers.
 */
import { MOVE_REST_MS_MAX } from "../../base/limits.ts";

export class Pace {
  /** Packets of one round. */
  readonly #round: number;
  readonly #nowMs: () => number;
  #passed = 0;
  /** When the round began. */
  #beganMs = 0;
  #restsUntilMs = 0;

  constructor(round: number, nowMs: () => number) {
    this.#round = round;
    this.#nowMs = nowMs;
  }

  /** How long to pass nothing on; 0: not at all. */
  get restMs(): number {
    return Math.max(this.#restsUntilMs - this.#nowMs(), 0);
  }

  /** A packet is at hand: if none was, the round begins now. */
  onTaken(): void {
    if (this.#beganMs === 0) this.#beganMs = this.#nowMs();
  }

  onPassed(): void {
    this.#passed += 1;
    if (this.#passed < this.#round) return;
    const nowMs = this.#nowMs();
    const tookMs = Math.min(nowMs - this.#beganMs, MOVE_REST_MS_MAX);
    // A shorter rest cannot be timed.
    if (tookMs >= 1) this.#restsUntilMs = nowMs + tookMs;
    this.#passed = 0;
    // Its successor waits for receivers, too, which are still busy with this one.
    this.#beganMs = Math.max(this.#restsUntilMs, nowMs);
  }

  /** Nothing is to be passed on any more. */
  onIdle(): void {
    this.#passed = 0;
    this.#beganMs = 0;
  }
}
