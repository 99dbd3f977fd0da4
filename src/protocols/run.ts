/** Gathers requests that lie back to back and go to one connection and one sink: they are sent as one range. */
import type { Link, ReplySink } from "../api/upstream.ts";

const NONE: Buffer = Buffer.alloc(0);

export class Run {
  private connection: Link | null = null;
  private sink: ReplySink | null = null;
  private bytes: Buffer = NONE;
  private start = 0;
  private end = 0;
  private token = 0;
  private count = 0;

  get isEmpty(): boolean {
    return this.connection === null;
  }

  /** Adds the request in bytes[start, end), after sending what it does not continue. */
  add(
    connection: Link,
    sink: ReplySink,
    token: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (
      connection === this.connection &&
      sink === this.sink &&
      start === this.end &&
      bytes === this.bytes &&
      token === this.token + this.count
    ) {
      this.end = end;
      this.count++;
      return;
    }
    this.flush();
    this.connection = connection;
    this.sink = sink;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.token = token;
    this.count = 1;
  }

  /** Sends what was gathered. Must be called before the bytes' owner goes on. */
  flush(): void {
    const { connection, sink } = this;
    if (connection === null || sink === null) return;
    this.connection = null;
    this.sink = null;
    connection.send(this.bytes, this.start, this.end, sink, this.token, this.count);
    this.bytes = NONE;
  }
}
