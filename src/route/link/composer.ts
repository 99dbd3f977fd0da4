/** Requests that are written in pieces, for links that want them whole. */
import type { ReplySink } from "../../api/upstream.ts";
import { ByteQueue } from "../../base/byte-queue.ts";

/** See Link.send. */
type Send = (
  bytes: Buffer,
  start: number,
  end: number,
  sink: ReplySink,
  token: number,
  count: number,
) => void;

export class Composer {
  private readonly queue: ByteQueue = new ByteQueue();
  private readonly send: Send;
  private sink: ReplySink | null = null;
  private token = 0;

  constructor(send: Send) {
    this.send = send;
  }

  /** See Link.begin. */
  begin(sink: ReplySink, token: number): ByteQueue {
    this.sink = sink;
    this.token = token;
    return this.queue;
  }

  /** See Link.commit. */
  commit(): void {
    const { queue, sink } = this;
    const bytes = queue.toBuffer();
    queue.clear();
    this.sink = null;
    if (sink !== null) this.send(bytes, 0, bytes.length, sink, this.token, 1);
  }
}
