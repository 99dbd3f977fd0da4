/** What one connection adds to its server's statistics. */
import { SERVER, type ServerCounter } from "../api/stats.ts";

export class ConnectionStatistics {
  private readonly counters: Float64Array;
  private readonly base: number;
  private bytesCounted = 0;
  // This connection's shares of gauges that all connections to the server add up in.
  private inQueue = 0;
  private inQueueBytes = 0;
  private outQueue = 0;
  private outQueueBytes = 0;

  /** @param base where the server's counters begin */
  constructor(counters: Float64Array, base: number) {
    this.counters = counters;
    this.base = base;
  }

  count(counter: ServerCounter, by: number): void {
    this.counters[this.base + SERVER[counter]]! += by;
  }

  requests(count: number): void {
    this.counters[this.base + SERVER.requests]! += count;
  }

  /** @param appended bytes of requests so far, over the connection's life */
  requestBytes(appended: number): void {
    this.counters[this.base + SERVER.request_bytes]! += appended - this.bytesCounted;
    this.bytesCounted = appended;
  }

  responses(count: number): void {
    this.counters[this.base + SERVER.responses]! += count;
  }

  /** A push: no client's request turns them on, so it is not for clients, and goes no further. */
  push(): void {
    this.counters[this.base + SERVER.server_pushes]! += 1;
  }

  responseBytes(bytes: number): void {
    this.counters[this.base + SERVER.response_bytes]! += bytes;
  }

  /** Requests and bytes that wait to be sent (in) and that were sent and wait for their reply (out). */
  queues(inQueue: number, inBytes: number, outQueue: number, outBytes: number): void {
    const { counters, base } = this;
    counters[base + SERVER.in_queue]! += inQueue - this.inQueue;
    counters[base + SERVER.in_queue_bytes]! += inBytes - this.inQueueBytes;
    counters[base + SERVER.out_queue]! += outQueue - this.outQueue;
    counters[base + SERVER.out_queue_bytes]! += outBytes - this.outQueueBytes;
    this.inQueue = inQueue;
    this.inQueueBytes = inBytes;
    this.outQueue = outQueue;
    this.outQueueBytes = outBytes;
  }
}
