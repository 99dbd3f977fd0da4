/**
 * One connection to one server: requests out, replies in, in order.
 *
 *              send                        open, handshake answered
 *   idle ──────────────▶ connecting ───────────────────────────────▶ ready
 *    ▲                     │   ▲                                       │
 *    │               fails │   │ retry, with a probe                   │ lost
 *    │                     ▼   │                                       │
 *    │                    down (`refusal` is set: requests fail)       │
 *    └─────────────────────────────────────────────────────────────────┘
 *
 * Requests that come while connecting wait in the out-queue. On a loss every waiting request is failed, with word
 * on whether it was sent. A timeout fails single requests; their replies are swallowed when they come.
 */
import type { ReplyScanner, UpstreamProtocol } from "../api/protocol.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure, ReplySink, UpstreamConnection } from "../api/upstream.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import type { Deadline } from "../base/deadlines.ts";
import { InputBuffer } from "../base/input-buffer.ts";
import {
  REPLY_BYTES_MAX,
  UPSTREAM_PENDING_MAX,
  UPSTREAM_QUEUE_HIGH_BYTES,
  UPSTREAM_QUEUE_LOW_BYTES,
} from "../base/limits.ts";
import type { Flushable, Wakeable } from "../base/turn.ts";
import type { ConnectAttempt } from "../io/connect.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { ConnectionStatistics } from "./connection-statistics.ts";
import { deliverReplies, GARBAGE } from "./deliver-replies.ts";
import {
  cannotConnect,
  connectionLost,
  garbageReceived,
  handshakeRefused,
  replyTooLong,
  timedOut,
} from "./failures.ts";
import { Handshake } from "./handshake.ts";
import { PendingFifo } from "./pending-fifo.ts";

type State = "idle" | "connecting" | "ready" | "down" | "closed";

/** A connection with requests on it that is silent for so many timeouts is given up, but not before … */
const SILENCE_TIMEOUTS = 3;
/** … this long. */
const SILENCE_MIN_MS = 1000;

export class Connection implements UpstreamConnection, StreamEvents, Flushable {
  refusal: Failure | null = null;
  isMarked = false;

  protected readonly owner: ConnectionOwner;
  readonly protocol: UpstreamProtocol;
  protected readonly statistics: ConnectionStatistics;
  protected state: State = "idle";
  protected stream: Stream | null = null;
  private attempt: ConnectAttempt | null = null;
  private cancelRetry: () => void = () => {};
  private failedAttempts = 0;
  /** Connections lost since the last reply. */
  private losses = 0;
  protected connectStartedMs = 0;
  protected handshake: Handshake | null = null;

  protected readonly out: ByteQueue = new ByteQueue();
  protected readonly input: InputBuffer = new InputBuffer();
  protected readonly pending: PendingFifo = new PendingFifo();
  protected readonly scanner: ReplyScanner;
  private waiters: Wakeable[] = [];
  /** Since when a reply has been owed without any byte from the server. */
  protected quietSinceMs = 0;
  private lastTroubleMs = 0;
  /** No later than `dueMs`, as long as that is not Infinity. */
  private readonly deadline: Deadline;

  constructor(owner: ConnectionOwner, protocol: UpstreamProtocol) {
    this.owner = owner;
    this.protocol = protocol;
    this.scanner = protocol.createReplyScanner();
    this.statistics = new ConnectionStatistics(owner.counters, owner.countersBase);
    this.deadline = owner.deadlines.create((nowMs) => {
      this.checkDeadlines(nowMs);
      this.watch();
    });
  }

  get isFull(): boolean {
    return this.out.held >= UPSTREAM_QUEUE_HIGH_BYTES || this.pending.size >= UPSTREAM_PENDING_MAX;
  }

  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    this.enqueue(sink, token, count);
    this.out.appendKept(bytes, start, end);
    this.commit();
  }

  begin(sink: ReplySink, token: number): ByteQueue {
    this.enqueue(sink, token, 1);
    return this.out;
  }

  waitForRoom(waiter: Wakeable): void {
    this.waiters.push(waiter);
    if (this.state === "idle") this.open();
  }

  protected enqueue(sink: ReplySink, token: number, count: number): void {
    const { owner, pending } = this;
    const { nowMs } = owner.turn;
    if (pending.size === 0) this.quietSinceMs = nowMs;
    const isFirst = !pending.isAwaited;
    pending.push(sink, token, count, nowMs, this.out.appended);
    // The others are due later.
    if (isFirst) this.watch();
    this.statistics.requests(count);
  }

  commit(): void {
    this.statistics.requestBytes(this.out.appended);
    if (this.state === "ready") this.owner.turn.mark(this);
    else if (this.state === "idle") this.open();
  }

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

  /** Requests that wait for a reply. */
  get pendingCount(): number {
    return this.pending.size;
  }

  // Opening

  private onOpen(stream: Stream): void {
    this.attempt = null;
    this.stream = stream;
    this.statistics.count("server_connections", 1);
    this.statistics.count("server_connections_total", 1);
    const mustProve = this.failedAttempts > 0 || this.refusal !== null;
    this.handshake = new Handshake(this.protocol, mustProve);
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
    this.quietSinceMs = this.owner.turn.nowMs;
    this.owner.turn.mark(this);
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
      this.owner.onTrouble();
    }
    this.onGone(failure);
  }

  /** The connection could not be made, or was lost with `failure`. */
  protected onGone(_failure: Failure): void {}

  /** All clients' requests use it: how it fares tells about the server, and it is kept up. */
  protected get isShared(): boolean {
    return true;
  }

  /** Milliseconds that a reply may take; null: as long as it likes. */
  protected get timeoutMs(): number | null {
    return this.owner.timeoutMs;
  }

  private stayDown(refusal: Failure): void {
    if (this.state === "closed") return;
    this.state = "down";
    this.refusal = refusal;
    this.openLater(this.failedAttempts);
  }

  // Sending

  flush(): void {
    if (this.state === "ready" && this.stream !== null) this.out.writeTo(this.stream);
    this.gauge();
    this.admitWaiters();
  }

  onDrain(): void {
    this.flush();
  }

  private gauge(): void {
    const { size } = this.pending;
    const unsent = this.out.size;
    if (this.state !== "ready" || size === 0) {
      this.statistics.queues(size, unsent, 0, 0);
      return;
    }
    const written = this.out.appended - unsent;
    this.statistics.queues(0, unsent, size, Math.max(written - this.pending.offset, 0));
  }

  private admitWaiters(): void {
    const { waiters } = this;
    if (waiters.length === 0 || this.out.size > UPSTREAM_QUEUE_LOW_BYTES || this.isFull) return;
    this.waiters = [];
    for (const waiter of waiters) this.owner.turn.wake(waiter);
  }

  // Receiving

  onBytes(chunk: Buffer): void {
    const { owner, input, stream } = this;
    this.quietSinceMs = owner.turn.nowMs;
    this.statistics.responseBytes(chunk.length);
    input.add(chunk, this.scanner.need, true);
    if (this.handshake !== null && !this.scanHandshake(this.handshake)) return;
    const replies = this.takeReplies();
    // A sink may have had the connection closed.
    if (this.stream !== stream) return;
    if (replies === GARBAGE) {
      this.lost(garbageReceived(owner.name, true), garbageReceived(owner.name, false));
      return;
    }
    input.keepRest();
    if (input.size > REPLY_BYTES_MAX) {
      this.lost(replyTooLong(owner.name, true), replyTooLong(owner.name, false));
      return;
    }
    if (replies > 0) {
      this.losses = 0;
      this.statistics.responses(replies);
      owner.onReply();
    }
    this.gauge();
    this.admitWaiters();
  }

  /** Consumes the complete replies at hand. @returns how many, or GARBAGE */
  protected takeReplies(): number {
    const written = this.out.appended - this.out.size;
    return deliverReplies(this.input, this.scanner, this.pending, written, this.statistics);
  }

  /** True: the handshake is over, and what follows are replies to requests. */
  private scanHandshake(handshake: Handshake): boolean {
    const fault = handshake.scan(this.input, this.scanner);
    if (fault !== null) {
      this.onConnectFailed(handshakeRefused(this.owner.name, fault, handshake.refusalReply));
    } else if (handshake.isDone) this.ready();
    return fault === null && handshake.isDone;
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

  /** A standing connection is gone. An idle one may go in peace; with requests on it that tells against the server. */
  protected lost(sent: Failure, unsent: Failure): void {
    const wasBusy = this.pending.size > 0;
    this.state = "idle";
    this.refusal = null;
    this.owner.onLost();
    this.lose(sent, unsent);
    if (wasBusy && this.isShared) this.owner.onTrouble();
    if (this.state === "idle" && this.isShared && this.owner.isEager) this.openLater();
    this.onGone(sent);
  }

  /** Not at once: a server that accepts and hangs up would be called without end. */
  protected openLater(failedAttempts: number = ++this.losses): void {
    this.cancelRetry();
    const delayMs = this.owner.retryDelayMs(failedAttempts);
    this.cancelRetry = this.owner.schedule(delayMs, () => this.open());
  }

  protected lose(sent: Failure, unsent: Failure): void {
    this.attempt?.abandon();
    this.attempt = null;
    const { stream } = this;
    this.stream = null;
    if (stream !== null) {
      this.statistics.count("server_connections", -1);
      stream.close();
    }
    this.input.clear();
    this.scanner.reset();
    const written = this.out.appended - this.out.size;
    this.out.clear();
    this.pending.drain((sink, token, count, offset) => {
      sink.onFailure(token, count, offset < written ? sent : unsent);
    });
    this.gauge();
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) this.owner.turn.wake(waiter);
  }

  // Deadlines

  /** When something here will be late; Infinity: nothing is awaited. */
  protected get dueMs(): number {
    const { timeoutMs } = this;
    const replyMs =
      timeoutMs === null ? Number.POSITIVE_INFINITY : this.pending.oldestMs + timeoutMs;
    return this.state === "connecting" ? Math.min(replyMs, this.connectDueMs) : replyMs;
  }

  private get connectDueMs(): number {
    return this.connectStartedMs + this.owner.connectTimeoutMs;
  }

  /** To be called when `dueMs` may have become earlier. */
  protected watch(): void {
    if (this.state !== "closed") this.deadline.setNoLater(this.dueMs);
  }

  /** Fails what has waited too long. */
  protected checkDeadlines(nowMs: number): void {
    const { owner } = this;
    if (this.state === "connecting" && nowMs >= this.connectDueMs) {
      this.onConnectFailed(cannotConnect(owner.name, "ETIMEDOUT"));
      return;
    }
    const { timeoutMs } = this;
    if (timeoutMs === null || this.pending.oldestMs + timeoutMs > nowMs) return;
    const failure = timedOut(owner.name, timeoutMs);
    const expired = this.pending.expire(nowMs, timeoutMs, (sink, token, count) => {
      sink.onFailure(token, count, failure);
    });
    this.statistics.count("server_timedout", expired);
    if (this.state === "ready") this.checkSilence(nowMs, timeoutMs);
    else if (this.pending.oldestMs === Number.POSITIVE_INFINITY) this.forgetUnsent();
  }

  /** Nothing was sent yet and nobody waits any more: then nothing needs to be sent. */
  private forgetUnsent(): void {
    this.out.clear();
    this.pending.drain(() => {});
    this.gauge();
    this.admitWaiters();
  }

  private checkSilence(nowMs: number, timeoutMs: number): void {
    const silentMs = nowMs - this.quietSinceMs;
    if (silentMs > Math.max(SILENCE_TIMEOUTS * timeoutMs, SILENCE_MIN_MS)) {
      const failure = timedOut(this.owner.name, timeoutMs);
      this.failedAttempts++;
      this.takeDown(failure, failure);
      this.owner.onTrouble();
    } else if (nowMs - this.lastTroubleMs >= timeoutMs) {
      this.lastTroubleMs = nowMs;
      this.owner.onTrouble();
    }
  }
}
