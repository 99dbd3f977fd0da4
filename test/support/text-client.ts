/** A client of Memcached's text protocol that hands out replies as the bytes that came. */
import type { Endpoint } from "./server-process.ts";

const DEADLINE_MS = 30_000;

export class TextClient {
  isClosed = false;
  private received: Buffer = Buffer.alloc(0);
  private unsent: Buffer = Buffer.alloc(0);
  private socket: Bun.Socket | null = null;
  private notify: () => void = () => {};

  static async connect(endpoint: Endpoint): Promise<TextClient> {
    const client = new TextClient();
    const socket = {
      data: (_: Bun.Socket, chunk: Buffer) => {
        client.received = Buffer.concat([client.received, chunk]);
        client.notify();
      },
      drain: () => client.flush(),
      close: () => {
        client.isClosed = true;
        client.notify();
      },
    };
    client.socket = await ("socketPath" in endpoint
      ? Bun.connect({ unix: endpoint.socketPath, socket })
      : Bun.connect({ hostname: endpoint.host, port: endpoint.port, socket }));
    return client;
  }

  /** @param bytes text is latin1 */
  send(bytes: Buffer | string): void {
    const more = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    this.unsent = Buffer.concat([this.unsent, more]);
    this.flush();
  }

  /** Sends each piece in a write of its own. */
  async sendPieces(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.send(piece);
      while (this.unsent.length > 0 && !this.isClosed) await Bun.sleep(1);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  private flush(): void {
    if (this.unsent.length === 0 || this.socket === null) return;
    const taken = this.socket.write(this.unsent);
    if (taken > 0) this.unsent = this.unsent.subarray(taken);
  }

  /** What came up to and with `end` (latin1); it counts as read. @throws when the connection ends or nothing comes */
  async until(end: string): Promise<Buffer> {
    for (;;) {
      const at = this.received.indexOf(end, 0, "latin1");
      if (at >= 0) return this.take(at + end.length);
      await this.more(`for ${JSON.stringify(end)}`);
    }
  }

  /** What comes until the other end closes the connection. */
  async untilClosed(): Promise<Buffer> {
    while (!this.isClosed) await this.more("for the end");
    return this.take(this.received.length);
  }

  /** Sends a request whose reply ends with `end`, and returns the reply as text. */
  async ask(request: string, end = "\r\n"): Promise<string> {
    this.send(request);
    return (await this.until(end)).toString("latin1");
  }

  /** What came and was not taken yet. */
  get unread(): Buffer {
    return this.received;
  }

  /** Stops reading from the socket. */
  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  close(): void {
    this.socket?.end();
  }

  private take(length: number): Buffer {
    const taken = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return taken;
  }

  private async more(what: string): Promise<void> {
    const so = (): string =>
      `waiting ${what}, got ${this.received.toString("latin1").substring(0, 2000)}`;
    if (this.isClosed) throw new Error(`closed while ${so()}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.notify = resolve;
    const timer = setTimeout(() => reject(new Error(`timed out ${so()}`)), DEADLINE_MS);
    await promise;
    clearTimeout(timer);
  }
}
