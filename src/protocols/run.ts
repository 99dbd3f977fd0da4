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
    return this.count === 0;
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
    const { count } = this;
    if (count > 0) {
      if (
        connection === this.connection &&
        sink === this.sink &&
        start === this.end &&
        bytes === this.bytes &&
        token === this.token + count
      ) {
        this.end = end;
        this.count = count + 1;
        return;
      }
      this.send();
    }
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
    if (this.count > 0) this.send();
    this.connection = null;
    this.sink = null;
    this.bytes = NONE;
  }

  private send(): void {
    const { count } = this;
    this.count = 0;
    this.connection!.send(this.bytes, this.start, this.end, this.sink!, this.token, count);
  }
}
