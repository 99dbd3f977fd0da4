/**
 * One connection to one server, as far as it is made, lost and made again.
 *
 *              send                        open, handshake answered
 *   idle ──────────────▶ connecting ───────────────────────────────▶ ready
 *    ▲                     │   ▲                                       │
 *    │               fails │   │ retry, with a probe                   │ lost
 *    │                     ▼   │                                       │
 *    │                    down (`refusal` is set: requests fail)       │
 *    └─────────────────────────────────────────────────────────────────┘
 */

import type { ConnectAttempt } from "../api/engine.ts";
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure } from "../api/upstream.ts";
import type { Deadline } from "../base/deadlines.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { ConnectionStatistics } from "./connection-statistics.ts";
import { cannotConnect, connectionLost } from "./failures.ts";
import { Handshake } from "./handshake.ts";

type State = "idle" | "connecting" | "ready" | "down" | "closed";

export abstract class Reconnecting implements StreamEvents {
  refusal: Failure | null = null;

  protected readonly owner: ConnectionOwner;
  readonly protocol: UpstreamProtocol;
  protected readonly statistics: ConnectionStatistics;
  protected state: State = "idle";
  protected stream: Stream | null = null;
  private attempt: ConnectAttempt | null = null;
  private cancelRetry: () => void = () => {};
  protected failedAttempts = 0;
  /** Connections lost since the last reply. */
  protected losses = 0;
  protected connectStartedMs = 0;
  /** When the handshake was sent. */
  private greetedMs = 0;
  protected handshake: Handshake | null = null;
  /** No later than `dueMs`, as long as that is not Infinity. */
  private readonly deadline: Deadline;

  constructor(owner: ConnectionOwner, protocol: UpstreamProtocol) {
    this.owner = owner;
    this.protocol = protocol;
    this.statistics = new ConnectionStatistics(owner.counters, owner.countersBase);
    this.deadline = owner.deadlines.create((nowMs) => {
      this.checkDeadlines(nowMs);
      this.watch();
    });
  }

  abstract onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void;
  abstract onDrain(): void;
  /** Requests wait for replies. */
  protected abstract get isBusy(): boolean;
  /** Fails what waits, with word on whether it was sent, and hangs up. */
  protected abstract lose(sent: Failure, unsent: Failure): void;
  /** When something here will be late; Infinity: nothing is awaited. */
  protected abstract get dueMs(): number;
  /** Deals with what is late by now. */
  protected abstract checkDeadlines(nowMs: number): void;

  /** Starts connecting, unless that is under way or done. */
  open(): void {
    if (this.state !== "idle" && this.state !== "down") return;
    this.cancelRetry();
    this.state = "connecting";
    this.connectStartedMs = this.owner.turn.nowMs;
    this.watch();
    this.attempt = this.owner.connect(
      {
        onOpen: (stream) => this.onOpen(stream),
        onError: (cause) => this.onConnectFailed(cannotConnect(this.owner.name, cause)),
      },
      this,
      !this.isShared,
    );
  }

  /** Gives the connection up. `sent` and `unsent` are told to waiting requests; it stays `down` with `unsent` as refusal. */
  takeDown(sent: Failure, unsent: Failure): void {
    this.refusal = unsent;
    this.owner.onLost();
    this.lose(sent, unsent);
    this.stayDown(unsent);
  }

  /** Gives the connection up for good. */
  close(sent: Failure, unsent: Failure): void {
    this.state = "closed";
    this.refusal = unsent;
    this.lose(sent, unsent);
    this.cancelRetry();
    this.deadline.cancel();
  }

  // Opening

  private onOpen(stream: Stream): void {
    this.attempt = null;
    this.stream = stream;
    this.statistics.count("server_connections", 1);
    this.statistics.count("server_connections_total", 1);
    const mustProve = this.failedAttempts > 0 || this.refusal !== null;
    this.handshake = new Handshake(this.protocol, mustProve);
    this.greetedMs = this.owner.turn.nowMs;
    this.watch();
    const { bytes, isDone } = this.handshake;
    // A fresh socket takes these few bytes, or is no good.
    if (isDone) this.ready();
    else if (stream.write(bytes, 0, bytes.length) !== bytes.length) {
      this.onConnectFailed(cannotConnect(this.owner.name, "ECONNRESET"));
    }
  }

  protected ready(): void {
    this.state = "ready";
    this.handshake = null;
    this.failedAttempts = 0;
    this.refusal = null;
    this.watch();
    if (this.isShared) this.owner.onUp();
  }

  protected onConnectFailed(failure: Failure): void {
    this.statistics.count("server_err", 1);
    this.refusal = failure;
    this.lose(failure, failure);
    if (failure.reply !== undefined) {
      this.state = "idle";
      this.refusal = null;
    } else {
      this.failedAttempts++;
      this.stayDown(failure);
      this.owner.onLost();
      this.owner.onTrouble(failure);
    }
    this.onGone(failure);
  }

  /** The connection could not be made, or was lost with `failure`. */
  protected onGone(_failure: Failure): void {}

  /** All clients' requests use it: how it fares tells about the server, and it is kept up. */
  protected get isShared(): boolean {
    return true;
  }

  private stayDown(refusal: Failure): void {
    if (this.state === "closed") return;
    this.state = "down";
    this.refusal = refusal;
    this.openLater(this.failedAttempts);
  }

  // Losing

  onEnd(): void {
    this.onLost("");
  }

  onClose(cause: string): void {
    this.onLost(cause);
  }

  private onLost(cause: string): void {
    const { name } = this.owner;
    if (this.stream === null) return;
    if (this.state === "connecting") {
      this.onConnectFailed(cannotConnect(name, cause === "" ? "ECONNRESET" : cause));
      return;
    }
    this.statistics.count(cause === "" ? "server_eof" : "server_err", 1);
    this.lost(connectionLost(name, true), connectionLost(name, false));
  }

  /**
   * A standing connection is gone. An idle one may go in peace; with requests on it that tells against the server, unless
   * that was counted already.
   */
  protected lost(sent: Failure, unsent: Failure, isTrouble: boolean = this.isBusy): void {
    this.state = "idle";
    this.refusal = null;
    this.owner.onLost();
    this.lose(sent, unsent);
    if (isTrouble && this.isShared) this.owner.onTrouble(sent);
    if (this.state === "idle" && this.isShared && this.owner.isEager) this.openLater();
    this.onGone(sent);
  }

  /** Not at once: a server that accepts and hangs up would be called without end. */
  protected openLater(failedAttempts: number = ++this.losses): void {
    this.cancelRetry();
    const delayMs = this.owner.retryDelayMs(failedAttempts);
    this.cancelRetry = this.owner.schedule(delayMs, () => this.open());
  }

  /** Nothing more is heard of the stream, or of the attempt to have one. */
  protected hangUp(): void {
    this.attempt?.abandon();
    this.attempt = null;
    const { stream } = this;
    this.stream = null;
    if (stream === null) return;
    this.statistics.count("server_connections", -1);
    stream.close();
  }

  // Deadlines

  /** To be called when `dueMs` may have become earlier. */
  protected watch(): void {
    if (this.state !== "closed") this.deadline.setNoLater(this.dueMs);
  }

  /** When an attempt to connect takes too long; Infinity: none is under way. */
  protected get connectDueMs(): number {
    if (this.state !== "connecting") return Number.POSITIVE_INFINITY;
    const { connectTimeoutMs, timeoutMs } = this.owner;
    const dueMs = this.connectStartedMs + connectTimeoutMs;
    // A handshake is a request: a server that accepts and says nothing is found out as soon as one that stops answering.
    if (this.stream === null || timeoutMs === null) return dueMs;
    return Math.min(dueMs, this.greetedMs + timeoutMs);
  }
}
