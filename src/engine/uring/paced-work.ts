/**
 * What is done for clients that come and go: some of it in each turn, and the rest in the next ones. When ten thousand clients are lost and
 * come back at once, those that are served meanwhile would otherwise wait until all of them are dealt with.
 */
import { PACED_TASKS_MIN, PACED_TURN_MS } from "../../base/fairness-limits.ts";

export interface PacedTask {
  /** Does one piece of work, and adds itself again if there is more. */
  goOn(): void;
}

export class PacedWork {
  private readonly nowMs: () => number;
  private readonly tasks: PacedTask[] = [];
  /** Those before it are done. */
  private next = 0;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  get isDone(): boolean {
    return this.next === this.tasks.length;
  }

  add(task: PacedTask): void {
    this.tasks.push(task);
  }

  /** Goes on until the turn, which began at `turnMs`, has taken long enough. The longer it has taken already, the less is done. */
  run(turnMs: number): void {
    for (let done = 0; this.next < this.tasks.length; done++) {
      if (done >= PACED_TASKS_MIN && this.nowMs() - turnMs >= PACED_TURN_MS) break;
      this.tasks[this.next++]!.goOn();
    }
    if (this.isDone) this.tasks.length = 0;
    else if (this.next > this.tasks.length / 2) this.tasks.splice(0, this.next);
    else return;
    this.next = 0;
  }
}
