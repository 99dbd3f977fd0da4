/** Tokens of requests that an InnerClient has sent, and who waits for each: an array that is a ring over consecutive tokens. */
import { TOKEN_MASK } from "../../api/client-port.ts";
import type { ReplySink } from "../../api/upstream.ts";

const CAPACITY_START = 64;

/** In the place of a sink that does not want to be told. */
const NOT_TOLD: ReplySink = { takesRuns: true, onReplies() {}, onFailure() {} };

export class OpenTokens {
  count = 0;
  /** What the sink that `settle` gave last calls the request. */
  outer = 0;
  private sinks: (ReplySink | null)[] = new Array<ReplySink | null>(CAPACITY_START).fill(null);
  private outers: Int32Array = new Int32Array(CAPACITY_START);
  /** The token that is given next, and the oldest that is open. */
  private next = 0;
  private oldest = 0;

  /** @param sink null: its reply is not wanted */
  open(sink: ReplySink | null, outer: number): number {
    if (((this.next - this.oldest) & TOKEN_MASK) === this.sinks.length) this.grow();
    const token = this.next;
    const at = token & (this.sinks.length - 1);
    this.sinks[at] = sink ?? NOT_TOLD;
    this.outers[at] = outer;
    this.next = (token + 1) & TOKEN_MASK;
    this.count++;
    return token;
  }

  /** Null: it is not open, or its reply is not wanted. */
  settle(token: number): ReplySink | null {
    const mask = this.sinks.length - 1;
    const at = token & mask;
    const sink = this.sinks[at]!;
    if (sink === null) return null;
    this.outer = this.outers[at]!;
    this.sinks[at] = null;
    this.count--;
    while (this.oldest !== this.next && this.sinks[this.oldest & mask] === null) {
      this.oldest = (this.oldest + 1) & TOKEN_MASK;
    }
    return sink === NOT_TOLD ? null : sink;
  }

  private grow(): void {
    const { sinks, outers, oldest } = this;
    const old = sinks.length;
    this.sinks = new Array<ReplySink | null>(old * 2).fill(null);
    this.outers = new Int32Array(old * 2);
    for (let i = 0; i < old; i++) {
      const token = (oldest + i) & TOKEN_MASK;
      this.sinks[token & (old * 2 - 1)] = sinks[token & (old - 1)]!;
      this.outers[token & (old * 2 - 1)] = outers[token & (old - 1)]!;
    }
  }
}
