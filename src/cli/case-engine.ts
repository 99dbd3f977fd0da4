/** An engine without sockets, for the cases of modules: what a server or a client would see stays in memory. */
import type { Address } from "../api/config.ts";
import type { ConnectAttempt, ConnectEvents, Engine, EngineName } from "../api/engine.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import { assert } from "../base/assert.ts";
import { schedule } from "../base/schedule.ts";

const NONE: Buffer = Buffer.alloc(0);
/** Descriptors that no process has. */
let descriptors = 1_000_000;

/** A connection, whichever process has it. */
export class CaseConnection {
  readonly fd: number = ++descriptors;
  isClosed = false;
  private readonly onWrite: (bytes: Buffer) => void;
  /** Null: it is on its way to another process. */
  stream: CaseStream | null = null;
  private unread: Buffer[] = [];

  /** @param onWrite gets what the proxy sends */
  constructor(onWrite: (bytes: Buffer) => void) {
    this.onWrite = onWrite;
  }

  attach(onStream: (stream: Stream) => StreamEvents | null): void {
    const stream = new CaseStream(this);
    this.stream = stream;
    stream.events = onStream(stream);
    if (stream.events === null) stream.close();
    this.flush();
  }

  detach(): void {
    this.stream = null;
  }

  write(bytes: Buffer): void {
    this.onWrite(bytes);
  }

  /** The proxy receives `bytes`, when it reads. */
  deliver(bytes: Buffer): void {
    this.unread.push(bytes);
    this.flush();
  }

  flush(): void {
    for (;;) {
      const { stream } = this;
      if (stream === null || stream.isPaused || this.isClosed) return;
      const bytes = this.unread.shift();
      if (bytes === undefined) return;
      stream.events?.onBytes(bytes, 0, bytes.length, true);
    }
  }
}

class CaseStream implements Stream {
  readonly isMovable: boolean = true;
  readonly peer: string = "127.0.0.1:1";
  readonly origin: string = "127.0.0.1";
  readonly localAddress: string = "127.0.0.1:2";
  readonly undelivered: number = 0;
  readonly unsent: Buffer = NONE;
  events: StreamEvents | null = null;
  isPaused = false;
  private readonly connection: CaseConnection;
  private isGone = false;

  constructor(connection: CaseConnection) {
    this.connection = connection;
  }

  get fd(): number {
    return this.isGone ? -1 : this.connection.fd;
  }

  write(bytes: Buffer, start: number, length: number): number {
    if (this.isGone) return -1;
    this.connection.write(Buffer.from(bytes.subarray(start, start + length)));
    return length;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    setImmediate(() => this.connection.flush());
  }

  /** What comes is heard at once, or waits in the connection. */
  quiesce(): void {}

  shutdown(): void {
    this.connection.isClosed = true;
  }

  close(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.connection.isClosed = true;
    this.events?.onClose("");
  }

  abort(): void {
    this.close();
  }

  detach(): void {
    this.isGone = true;
    this.connection.detach();
  }
}

export class CaseEngine implements Engine {
  readonly name: EngineName = "bun";
  private readonly connections: Map<number, CaseConnection> = new Map();
  private readonly reach: (address: Address) => CaseConnection;

  /** @param reach the connection that connecting to an address gives */
  constructor(reach: (address: Address) => CaseConnection) {
    this.reach = reach;
  }

  nowMs(): number {
    return performance.now();
  }

  epochMs(): number {
    return Date.now();
  }

  random(): number {
    return Math.random();
  }

  timer(delayMs: number, callback: () => void): () => void {
    return schedule(delayMs, callback);
  }

  atTurnEnd(callback: () => void): void {
    setImmediate(callback);
  }

  later(callback: () => void): void {
    setImmediate(callback);
  }

  close(): void {}

  listen(): never {
    throw new Error("cases have no listening sockets");
  }

  connect(
    address: Address,
    _tuning: unknown,
    events: ConnectEvents,
    streamEvents: StreamEvents,
  ): ConnectAttempt {
    let isWanted = true;
    setImmediate(() => {
      if (!isWanted) return;
      const connection = this.reach(address);
      this.add(connection);
      connection.attach(() => streamEvents);
      if (connection.stream !== null) events.onOpen(connection.stream);
    });
    return {
      abandon: () => {
        isWanted = false;
      },
    };
  }

  add(connection: CaseConnection): void {
    this.connections.set(connection.fd, connection);
  }

  adopt(fd: number, _tuning: unknown, onStream: (stream: Stream) => StreamEvents | null): void {
    const connection = this.connections.get(fd);
    assert(connection !== undefined, `${fd} is a connection of the case`);
    connection.attach(onStream);
  }
}
