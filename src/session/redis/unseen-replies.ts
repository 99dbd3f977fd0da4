import type { ReplySink } from "../../api/upstream.ts";

const MINUS = 0x2d;

/** Swallows replies that no client is to see. */
export class UnseenReplies implements ReplySink {
  private readonly onError: (fault: string) => void;

  /** @param onError told when the first reply is an error */
  constructor(onError: (fault: string) => void) {
    this.onError = onError;
  }

  onReplies(token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    if (token === 0 && bytes[start] === MINUS)
      this.onError(bytes.toString("latin1", start + 1, end - 2));
  }

  /** Whatever follows on the connection fails as well, and its client is told. */
  onFailure(): void {}
}
