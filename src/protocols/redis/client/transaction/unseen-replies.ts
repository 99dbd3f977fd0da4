import type { Failure, ReplySink } from "../../../../api/upstream.ts";

const MINUS = 0x2d;

/** Swallows replies that no client is to see. */
export class UnseenReplies implements ReplySink {
  readonly takesRuns = false;
  private readonly onFirst: (fault: string | null) => void;

  /** @param onFirst told what the first request (token 0) met: null, or the error with its code */
  constructor(onFirst: (fault: string | null) => void = () => {}) {
    this.onFirst = onFirst;
  }

  onReplies(token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    if (token !== 0) return;
    this.onFirst(bytes[start] === MINUS ? bytes.toString("latin1", start + 1, end - 2) : null);
  }

  onFailure(token: number, _count: number, failure: Failure): void {
    if (token === 0) this.onFirst(`ERR ${failure.text}`);
  }
}
