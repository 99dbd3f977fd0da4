/** What one connection adds to its server's statistics. */
import type { MetricBlock } from "../api/metrics.ts";
import { SERVER, type ServerCounter } from "../api/stats.ts";

export class ConnectionStatistics {
  private readonly block: MetricBlock;
  private bytesCounted = 0;
  // This connection's shares of gauges that all connections to the server add up in.
  private inQueue = 0;
  private inQueueBytes = 0;
  private outQueue = 0;
  private outQueueBytes = 0;

  /** @param block the server's counters; where they are may change */
  constructor(block: MetricBlock) {
    this.block = block;
  }

  private add(offset: number, by: number): void {
    const { values, base } = this.block;
    values[base + offset]! += by;
  }

  count(counter: ServerCounter, by: number): void {
    this.add(SERVER[counter], by);
  }

  requests(count: number): void {
    this.add(SERVER.requests, count);
  }

  /** @param appended bytes of requests so far, over the connection's life */
  requestBytes(appended: number): void {
    this.add(SERVER.request_bytes, appended - this.bytesCounted);
    this.bytesCounted = appended;
  }

  responses(count: number): void {
    this.add(SERVER.responses, count);
  }

  /** A push: no client's request turns them on, so it is not for clients, and goes no further. */
  push(): void {
    this.add(SERVER.server_pushes, 1);
  }

  responseBytes(bytes: number): void {
    this.add(SERVER.response_bytes, bytes);
  }

  /** Requests and bytes that wait to be sent (in) and that were sent and wait for their reply (out). */
  queues(inQueue: number, inBytes: number, outQueue: number, outBytes: number): void {
    const { values, base } = this.block;
    values[base + SERVER.in_queue]! += inQueue - this.inQueue;
    values[base + SERVER.in_queue_bytes]! += inBytes - this.inQueueBytes;
    values[base + SERVER.out_queue]! += outQueue - this.outQueue;
    values[base + SERVER.out_queue_bytes]! += outBytes - this.outQueueBytes;
    this.inQueue = inQueue;
    this.inQueueBytes = inBytes;
    this.outQueue = outQueue;
    this.outQueueBytes = outBytes;
  }
}
