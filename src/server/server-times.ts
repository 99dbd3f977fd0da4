/** How long requests wait for one server in one worker: until they are sent, and then until their replies come. */
import type { SlowNote } from "../api/latency.ts";
import type { MetricBlock } from "../api/metrics.ts";
import { observe } from "../metrics/histogram.ts";

export class ServerTimes {
  readonly slow: SlowNote;
  private readonly name: string;
  private readonly queueUs: MetricBlock;
  private readonly serverUs: MetricBlock;

  /** @param name of the server */
  constructor(name: string, queueUs: MetricBlock, serverUs: MetricBlock, slow: SlowNote) {
    this.name = name;
    this.slow = slow;
    this.queueUs = queueUs;
    this.serverUs = serverUs;
  }

  /** Replies that are delivered next came so late. */
  note(queueMs: number, serverMs: number): void {
    const queueUs = Math.max(0, Math.floor(queueMs * 1000));
    const serverUs = Math.max(0, Math.floor(serverMs * 1000));
    this.slow.noted = { name: this.name, queueUs, serverUs };
  }

  /** `count` requests were sent after so long. */
  sent(tookMs: number, count: number): void {
    const { values, base } = this.queueUs;
    observe(values, base, Math.floor(tookMs * 1000), count);
  }

  /** `count` replies came so long after their requests were sent. */
  answered(tookMs: number, count: number): void {
    const { values, base } = this.serverUs;
    observe(values, base, Math.floor(tookMs * 1000), count);
  }
}
