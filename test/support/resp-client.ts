/**
 * A Redis client that hands out replies as the bytes that came, for comparing them byte for byte.
 *
 * Nothing is decoded: a reply is found by its framing only. Every wait has a deadline and says what had come by then.
 */
import { encodeCommand, type RedisCommand } from "./redis-exchange.ts";
import type { Endpoint } from "./server-process.ts";

const DEADLINE_MS = 30_000;

export class RespClient {
  #socket: Bun.Socket<undefined> | null = null;
  /** Received and not yet taken: #bytes[#start, #end). */
  #bytes: Buffer = Buffer.alloc(64 * 1024);
  #start = 0;
  #end = 0;
  #unsent: Buffer[] = [];
  #closed = false;
  /** Whoever waits for bytes, room or the close: a sender and a receiver may do so at once. */
  readonly #waiting = new Set<() => void>();

  /** Longest wait for anything, in milliseconds. */
  #deadlineMs = DEADLINE_MS;

  static async connect(endpoint: Endpoint, deadlineMs: number = DEADLINE_MS): Promise<RespClient> {
    const client = new RespClient();
    client.#deadlineMs = deadlineMs;
    const socket: Bun.SocketHandler<undefined> = {
      data: (_, chunk) => client.#receive(chunk),
      drain: () => client.#flush(),
      close: () => client.#onClose(),
      error: () => client.#onClose(),
    };
    client.#socket = await ("socketPath" in endpoint
      ? Bun.connect({ unix: endpoint.socketPath, socket })
      : Bun.connect({ hostname: endpoint.host, port: endpoint.port, socket }));
    return client;
  }

  /** The other end, or `close`, has closed the connection. */
  get isClosed(): boolean {
    return this.#closed;
  }

  get localPort(): number {
    return this.#socket?.localPort ?? 0;
  }

  /** Bytes that came and that nobody took. */
  get unread(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#start, this.#end));
  }

  /** Sends bytes as they are; what the kernel does not take now follows later. */
  send(bytes: Buffer | string): void {
    this.#unsent.push(Buffer.from(bytes as string, "latin1"));
    this.#flush();
  }

  /** Resolves when the kernel took all that was sent, or the connection is closed. */
  async sent(): Promise<void> {
    await this.#until("the kernel to take the request", () => this.#unsent.length === 0);
  }

  /** Sends commands as arrays of bulk strings, in one piece. */
  command(...commands: readonly RedisCommand[]): void {
    this.send(Buffer.concat(commands.map(encodeCommand)));
  }

  /** Sends one command and resolves with its reply as text (latin1), for short assertions. */
  async ask(...command: RedisCommand): Promise<string> {
    this.command(command);
    return (await this.reply()).toString("latin1");
  }

  /** The bytes of the next reply. @throws when the connection closes before it is complete. */
  async reply(): Promise<Buffer> {
    let end = -1;
    await this.#until("a reply", () => {
      end = replyEnd(this.#bytes.subarray(0, this.#end), this.#start);
      return end >= 0;
    });
    if (end < 0) throw new Error(`closed before a reply; received ${show(this.unread)}`);
    const bytes = Buffer.from(this.#bytes.subarray(this.#start, end));
    this.#start = end;
    return bytes;
  }

  async replies(count: number): Promise<Buffer[]> {
    const replies: Buffer[] = [];
    while (replies.length < count) replies.push(await this.reply());
    return replies;
  }

  /** Everything up to the close by the other end. */
  async untilClosed(): Promise<Buffer> {
    await this.#until("the connection to close", () => false);
    return this.unread;
  }

  /** Stops reading: what comes stays in the kernel, and then at the sender. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    this.#socket?.end();
  }

  /** Closes with a reset: what is unread or unsent is lost. */
  reset(): void {
    this.#socket?.terminate();
  }

  #receive(chunk: Buffer): void {
    if (this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length);
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
    this.#wake();
  }

  #makeRoom(length: number): void {
    const used = this.#end - this.#start;
    const target =
      used + length > this.#bytes.length / 2
        ? Buffer.alloc(2 * (used + length))
        : Buffer.alloc(this.#bytes.length);
    this.#bytes.copy(target, 0, this.#start, this.#end);
    this.#bytes = target;
    this.#start = 0;
    this.#end = used;
  }

  #flush(): void {
    for (let piece = this.#unsent[0]; piece !== undefined; piece = this.#unsent[0]) {
      const taken = this.#socket?.write(piece) ?? -1;
      if (taken < piece.length) {
        if (taken > 0) this.#unsent[0] = piece.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
    this.#wake();
  }

  #onClose(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Waits until `isDone`, or until the connection is closed. */
  async #until(what: string, isDone: () => boolean): Promise<void> {
    const deadline = performance.now() + this.#deadlineMs;
    while (!isDone() && !this.#closed) {
      const left = deadline - performance.now();
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => resolve(false), left);
      const wake = (): void => resolve(true);
      this.#waiting.add(wake);
      const woken = await promise;
      clearTimeout(timer);
      this.#waiting.delete(wake);
      if (!woken) {
        throw new Error(`waited ${this.#deadlineMs} ms for ${what}; received ${show(this.unread)}`);
      }
    }
  }
}

/** First bytes of replies that are one line: RESP2's, and RESP3's null, boolean, double and big number. */
const LINES = "+-:_#,(";
/** First bytes of replies with a length: bulk string, and RESP3's bulk error and verbatim string. */
const BULKS = "$!=";
/** First bytes of replies with a count of replies: array, and RESP3's set, push and map (of pairs). */
const AGGREGATES = "*~>%";

/** Where the reply (RESP2 or RESP3) that begins at `start` ends, or -1 if it is incomplete. @throws if it is none. */
export function replyEnd(bytes: Buffer, start: number): number {
  const line = bytes.indexOf("\r\n", start);
  if (line < 0) return -1;
  const body = line + 2;
  const type = String.fromCharCode(bytes[start] ?? 0);
  if (LINES.includes(type)) return body;
  const isBulk = BULKS.includes(type);
  const count = Number(bytes.toString("latin1", start + 1, line));
  if (!(isBulk || AGGREGATES.includes(type)) || !Number.isInteger(count)) {
    throw new Error(`not a reply: ${show(bytes.subarray(start))}`);
  }
  if (isBulk) {
    const end = count < 0 ? body : body + count + 2;
    return end <= bytes.length ? end : -1;
  }
  let end = body;
  for (let item = 0; item < (type === "%" ? 2 * count : count); item++) {
    end = replyEnd(bytes, end);
    if (end < 0) return -1;
  }
  return end;
}

/** The first bytes of something, for a message. */
export function show(bytes: Buffer): string {
  const text = JSON.stringify(bytes.toString("latin1", 0, 200));
  return bytes.length > 200 ? `${text}… (${bytes.length} bytes)` : text;
}
