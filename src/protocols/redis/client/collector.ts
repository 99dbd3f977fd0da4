/** Collects one answer to each of several requests. For rare commands: nothing is reused. */
import type { Failure, ReplySink } from "../../../api/upstream.ts";
import { keptRange } from "../../../base/copy-of.ts";
import { RedisReplyScanner } from "../codec/reply-scanner.ts";

/** What became of a request: its reply, or why there is none. A reply never changes. */
export type Answer = Buffer | Failure;

export class Collector implements ReplySink {
  readonly takesRuns = false;
  private readonly answers: Answer[] = [];
  private missing: number;
  private readonly whenDone: (answers: readonly Answer[]) => void;

  /**
   * @param requests their tokens are 0 … requests - 1
   * @param whenDone called once, with the answers in that order
   */
  constructor(requests: number, whenDone: (answers: readonly Answer[]) => void) {
    this.missing = requests;
    this.whenDone = whenDone;
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    const scanner = new RedisReplyScanner(3);
    let at = start;
    for (let i = 0; i < count; i++) {
      // Neighbours on one connection may be answered in one range.
      const next = i === count - 1 ? end : scanner.scan(bytes, at, end);
      this.answered(token + i, keptRange(bytes, at, next));
      at = next;
    }
  }

  onFailure(token: number, count: number, failure: Failure): void {
    for (let i = 0; i < count; i++) this.answered(token + i, failure);
  }

  private answered(token: number, answer: Answer): void {
    this.answers[token] = answer;
    if (--this.missing === 0) this.whenDone(this.answers);
  }
}
