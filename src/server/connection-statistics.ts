/** What one connection adds to its server's statistics. */
import type { MetricBlock } from "../api/metrics.ts";
import { SERVER, type ServerCounter } from "../api/stats.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import type { PendingFifo } from "./pending-fifo.ts";

export class ConnectionStatistics {
  private readonly block: MetricBlock;
  private readonly errors: MetricBlock | null;
  /** See ReplyScanner. */
  private readonly signals: readonly (string | undefined)[] | null;
  private readonly onSignal: (name: string) => void;
  private requestsCounted = 0;
  private bytesCounted = 0;
  // This connection's shares of gauges that all connections to the server add up in.
  private inQueue = 0;
  private inQueueBytes = 0;
  private outQueue = 0;
  private outQueueBytes = 0;

  /**
   * @param block the server's counters, and @param errors those of its error replies by kind; where they are may change
   * @param onSignal hears of errors that `signals` names
   */
  constructor(
    block: MetricBlock,
    errors: MetricBlock | null = null,
    signals: readonly (string | undefined)[] | null = null,
    onSignal: (name: string) => void = () => {},
  ) {
    this.block = block;
    this.errors = errors;
    this.signals = signals;
    this.onSignal = onSignal;
  }

  private add(offset: number, by: number): void {
    const { values, base } = this.block;
    values[base + offset]! += by;
  }

  count(counter: ServerCounter, by: number): void {
    this.add(SERVER[counter], by);
  }

  /** @param requests so far, and @param bytes of them so far, over the connection's life */
  queued(requests: number, bytes: number): void {
    const { values, base } = this.block;
    values[base + SERVER.requests]! += requests - this.requestsCounted;
    values[base + SERVER.request_bytes]! += bytes - this.bytesCounted;
    this.requestsCounted = requests;
    this.bytesCounted = bytes;
  }

  responses(count: number): void {
    this.add(SERVER.responses, count);
  }

  /** @param kind its row of the protocol's errors; -1: the reply is none */
  errorReply(kind: number): void {
    if (kind < 0) return;
    this.add(SERVER.error_replies, 1);
    if (this.errors !== null) this.errors.values[this.errors.base + kind]! += 1;
    const signal = this.signals?.[kind];
    if (signal !== undefined) this.onSignal(signal);
  }

  /** A push: no client's request turns them on, so it is not for clients, and goes no further. */
  push(): void {
    this.add(SERVER.server_pushes, 1);
  }

  responseBytes(bytes: number): void {
    this.add(SERVER.response_bytes, bytes);
  }

  /** What waits to be sent (in), and what was sent and waits for its reply (out). @param isReady what is queued is being sent */
  queues(
    isReady: boolean,
    { size, offset }: Pick<PendingFifo, "size" | "offset">,
    out: Pick<ByteQueue, "size" | "appended">,
  ): void {
    const isOut = isReady && size > 0;
    const written = out.appended - out.size;
    this.gauge(
      isOut ? 0 : size,
      out.size,
      isOut ? size : 0,
      isOut ? Math.max(written - offset, 0) : 0,
    );
  }

  private gauge(inQueue: number, inBytes: number, outQueue: number, outBytes: number): void {
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
