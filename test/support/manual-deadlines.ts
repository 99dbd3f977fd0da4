/** A clock that stands still until the test moves it, and deadlines on it, with no timer behind them. */
import { Deadlines } from "../../src/base/deadlines.ts";
import { Turn } from "../../src/base/turn.ts";

/** A turn on the test's clock. */
export class ManualTurn extends Turn {
  atMs = 1000;

  override get nowMs(): number {
    return this.atMs;
  }
}

export class ManualDeadlines extends Deadlines {
  private readonly turn: ManualTurn;

  constructor(turn: ManualTurn) {
    super(
      () => turn.atMs,
      () => () => {},
    );
    this.turn = turn;
  }

  /** It is `ms` now, and what is due by then happens. */
  reach(ms: number): void {
    this.turn.atMs = ms;
    this.run();
  }
}
