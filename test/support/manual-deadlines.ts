/** Deadlines on a clock that the test moves, with no timer behind them. */
import { Deadlines } from "../../src/base/deadlines.ts";

export class ManualDeadlines extends Deadlines {
  private readonly at: { ms: number };

  constructor(startMs = 1000) {
    const at = { ms: startMs };
    super(
      () => at.ms,
      () => () => {},
    );
    this.at = at;
  }

  /** It is `ms` now, and what is due by then happens. */
  reach(ms: number): void {
    this.at.ms = ms;
    this.run();
  }
}
