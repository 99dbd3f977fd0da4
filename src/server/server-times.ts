/** How long requests wait for one server in one worker: until they are sent, and then until their replies come. */
import type { MetricBlock } from "../api/metrics.ts";
import { observe } from "../metrics/histogram.ts";

export class ServerTimes {
  private readonly queueUs: MetricBlock;
  private readonly serverUs: MetricBlock;

  constructor(queueUs: MetricBlock, serverUs: MetricBlock) {
    this.queueUs = queueUs;
    this.serverUs = serverUs;
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
