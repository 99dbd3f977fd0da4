/**
 * A connection to a server that carries the bytes of one client as they are; see ServerStream.
 *
 *   connecting ──▶ open ──▶ gone
 *        └──────────────────▲
 *
 * That it cannot be made tells against the server. How it ends does not: what the bytes mean is not known here.
 */
import type { ConnectAttempt, ConnectEvents } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import type { ServerStream, ServerStreamEvents } from "../api/server-stream.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure } from "../api/upstream.ts";
import type { Deadline, Deadlines } from "../base/deadlines.ts";
import type { Turn } from "../base/turn.ts";
import { ConnectionStatistics } from "./connection-statistics.ts";
import { cannotConnect } from "./failures.ts";

/** What such a connection needs of the server it belongs to. */
export interface PlainOwner {
  readonly name: string;
  readonly turn: Turn;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  readonly connectTimeoutMs: number;
  /** What this worker counts of the server; where that is may change. */
  readonly counters: MetricBlock;
  /** Each direction of such a connection ends by itself. */
  connectPlain(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt;
  /** See Engine.adopt. */
  adoptSocket(
    fd: number,
    onStream: (stream: Stream) => StreamEvents | null,
    onError: () => void,
  ): void;
  /** The server accepts connections. */
  onUp(): void;
  /** It does not, and `failure` says why. */
  onTrouble(failure: Failure): void;
  /** The connection takes a descriptor no more. */
  onPlainGone(connection: PlainConnection): void;
}

const NONE: Buffer = Buffer.alloc(0);

export class PlainConnection implements ServerStream, StreamEvents {
  private readonly owner: PlainOwner;
  private readonly events: ServerStreamEvents;
  private readonly statistics: ConnectionStatistics;
  private readonly deadline: Deadline;
  private attempt: ConnectAttempt | null = null;
  private stream: Stream | null = null;
  private isGone = false;
  private hasEnded = false;

  constructor(owner: PlainOwner, events: ServerStreamEvents) {
    this.owner = owner;
    this.events = events;
    this.statistics = new ConnectionStatistics(owner.counters);
    this.deadline = owner.deadlines.create(() => this.onLate());
  }

  /** To be called once, or `adopt`. */
  connect(): void {
    const { owner } = this;
    this.deadline.set(owner.turn.nowMs + owner.connectTimeoutMs);
    this.attempt = owner.connectPlain(
      {
        onOpen: (stream) => {
          this.statistics.count("server_connections_total", 1);
          this.opened(stream);
          owner.onUp();
          this.events.onOpen();
        },
        onError: (cause) => this.refused(cause, true),
      },
      this,
    );
  }

  /** Goes on with a connection that another process has left; `fd` belongs to this. */
  adopt(fd: number): void {
    this.owner.adoptSocket(
      fd,
      (stream) => {
        if (this.isGone) return null;
        this.opened(stream);
        this.events.onOpen();
        return this;
      },
      () => this.refused("it was lost on the way from another worker", false),
    );
  }

  private opened(stream: Stream): void {
    this.deadline.cancel();
    this.attempt = null;
    this.stream = stream;
    this.statistics.count("server_connections", 1);
  }

  private onLate(): void {
    this.statistics.count("server_timedout", 1);
    this.attempt?.abandon();
    this.refused("ETIMEDOUT", true);
  }

  private refused(cause: string, isTrouble: boolean): void {
    if (this.isGone) return;
    const failure = cannotConnect(this.owner.name, cause);
    this.statistics.count("server_err", 1);
    this.gone();
    if (isTrouble) this.owner.onTrouble(failure);
    this.events.onRefused(failure);
  }

  // Bytes

  get fd(): number {
    return this.stream === null ? -1 : this.stream.fd;
  }

  get isMovable(): boolean {
    return this.stream?.isMovable === true;
  }

  write(bytes: Buffer, start: number, length: number): number {
    if (this.stream === null) return -1;
    const taken = this.stream.write(bytes, start, length);
    if (taken > 0) this.statistics.count("request_bytes", taken);
    return taken;
  }

  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void {
    this.statistics.responseBytes(end - start);
    this.events.onBytes(bytes, start, end, isStable);
  }

  onDrain(): void {
    this.events.onDrain();
  }

  pause(): void {
    this.stream?.pause();
  }

  resume(): void {
    this.stream?.resume();
  }

  quiesce(): void {
    this.stream?.quiesce();
  }

  get unsent(): Buffer {
    return this.stream?.unsent ?? NONE;
  }

  // Ending

  shutdown(): void {
    this.stream?.shutdown();
  }

  onEnd(): void {
    this.hasEnded = true;
    this.events.onEnd();
  }

  onClose(cause: string): void {
    if (this.isGone) return;
    this.hasEnded ||= cause === "";
    if (cause !== "") this.statistics.count("server_err", 1);
    this.gone();
    this.events.onClose(cause);
  }

  close(): void {
    const { stream } = this;
    this.attempt?.abandon();
    this.gone();
    stream?.close();
  }

  abort(): void {
    const { stream } = this;
    this.attempt?.abandon();
    this.gone();
    stream?.abort();
  }

  leave(): void {
    const { stream } = this;
    this.attempt?.abandon();
    // The end is counted where the connection ends.
    this.hasEnded = false;
    this.gone();
    stream?.detach();
  }

  private gone(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.deadline.cancel();
    this.attempt = null;
    if (this.hasEnded) this.statistics.count("server_eof", 1);
    if (this.stream !== null) this.statistics.count("server_connections", -1);
    this.stream = null;
    this.owner.onPlainGone(this);
  }
}
