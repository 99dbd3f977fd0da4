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
import { INCOMPLETE, type ReplyScanner, type UpstreamProtocol } from "../api/protocol.ts";
import { SERVER } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure, ReplySink, UpstreamConnection } from "../api/upstream.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { InputBuffer } from "../base/input-buffer.ts";
import {
  UPSTREAM_PENDING_MAX,
  UPSTREAM_QUEUE_HIGH_BYTES,
  UPSTREAM_QUEUE_LOW_BYTES,
} from "../base/limits.ts";
import type { Flushable, Turn, Wakeable } from "../base/turn.ts";
import type { ConnectAttempt, ConnectEvents } from "../io/connect.ts";
import {
  cannotConnect,
  connectionLost,
  garbageReceived,
  handshakeRefused,
  timedOut,
} from "./failures.ts";
import { Gauge } from "./gauge.ts";
import { PendingFifo } from "./pending-fifo.ts";

/** What a connection needs of the server it belongs to. */
export interface ConnectionOwner {
  readonly name: string;
  readonly turn: Turn;
  readonly protocol: UpstreamProtocol;
  readonly timeoutMs: number | null;
  readonly connectTimeoutMs: number;
  /** Connect again as soon as a connection is lost, instead of at the next request. */
  readonly isEager: boolean;
  /** This worker's statistics, and where this server's begin. */
  readonly counters: Float64Array;
  readonly countersBase: number;
  connect(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt;
  /** The connection stands and has answered its handshake. */
  onUp(): void;
  /** Something happened that tells against the server. */
  onTrouble(): void;
  /** Replies came. */
  onReply(): void;
  /** Milliseconds until a connection that is down shall try again, after so many failed attempts in a row. */
  retryDelayMs(failedAttempts: number): number;
  schedule(delayMs: number, callback: () => void): () => void;
}

type State = "idle" | "connecting" | "ready" | "down" | "closed";

/** A connection with requests on it that is silent for so many timeouts is given up, but not before … */
const SILENCE_TIMEOUTS = 3;
/** … this long. */
const SILENCE_MIN_MS = 1000;

export class Connection implements UpstreamConnection, StreamEvents, Flushable {
  refusal: Failure | null = null;
  isMarked = false;

  private readonly owner: ConnectionOwner;
  private state: State = "idle";
  private stream: Stream | null = null;
  private attempt: ConnectAttempt | null = null;
  private cancelRetry: () => void = nothing;
  private failedAttempts = 0;
  /** Connections lost since the last reply. */
  private losses = 0;
  private connectStartedMs = 0;
  private handshakeReplies = 0;
  private handshakeAnswered = 0;

  private readonly out: ByteQueue = new ByteQueue();
  private readonly input: InputBuffer = new InputBuffer();
  private readonly pending: PendingFifo = new PendingFifo();
  private readonly scanner: ReplyScanner;
  private waiters: Wakeable[] = [];
  /** Value of the out-queue's `appended` up to which the statistics know. */
  private countedBytes = 0;
  private readonly inQueue: Gauge;
  private readonly inQueueBytes: Gauge;
  private readonly outQueue: Gauge;
  private readonly outQueueBytes: Gauge;
  /** Since when a reply has been owed without any byte from the server. */
  private quietSinceMs = 0;
  private lastTroubleMs = 0;

  constructor(owner: ConnectionOwner) {
    this.owner = owner;
    this.scanner = owner.protocol.createReplyScanner();
    const gauge = (offset: number): Gauge => new Gauge(owner.counters, owner.countersBase + offset);
    this.inQueue = gauge(SERVER.in_queue);
    this.inQueueBytes = gauge(SERVER.in_queue_bytes);
    this.outQueue = gauge(SERVER.out_queue);
    this.outQueueBytes = gauge(SERVER.out_queue_bytes);
  }

  get isFull(): boolean {
    return this.out.size >= UPSTREAM_QUEUE_HIGH_BYTES || this.pending.size >= UPSTREAM_PENDING_MAX;
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
  }

  private enqueue(sink: ReplySink, token: number, count: number): void {
    const { owner, pending } = this;
    const { nowMs } = owner.turn;
    if (pending.size === 0) this.quietSinceMs = nowMs;
    pending.push(sink, token, count, nowMs, this.out.appended);
    owner.counters[owner.countersBase + SERVER.requests]! += count;
  }

  commit(): void {
    const { counters, countersBase } = this.owner;
    counters[countersBase + SERVER.request_bytes]! += this.out.appended - this.countedBytes;
    this.countedBytes = this.out.appended;
    if (this.state === "ready") this.owner.turn.mark(this);
    else if (this.state === "idle") this.open();
  }

  /** Starts connecting, unless that is under way or done. */
  open(): void {
    if (this.state !== "idle" && this.state !== "down") return;
    this.cancelRetry();
    this.state = "connecting";
    this.connectStartedMs = this.owner.turn.nowMs;
    this.attempt = this.owner.connect(
      {
        onOpen: (stream) => this.onOpen(stream),
        onError: (cause) => this.onConnectFailed(cannotConnect(this.owner.name, cause)),
      },
      this,
    );
  }

  /** Gives the connection up. `sent` and `unsent` are told to waiting requests; it stays `down` with `unsent` as refusal. */
  takeDown(sent: Failure, unsent: Failure): void {
    this.refusal = unsent;
    this.lose(sent, unsent);
    this.stayDown(unsent);
  }

  /** Gives the connection up for good. */
  close(sent: Failure, unsent: Failure): void {
    this.state = "closed";
    this.refusal = unsent;
    this.lose(sent, unsent);
    this.cancelRetry();
  }

  /** Requests that wait for a reply. */
  get pendingCount(): number {
    return this.pending.size;
  }

  // Opening

  private onOpen(stream: Stream): void {
    this.attempt = null;
    this.stream = stream;
    const { counters, countersBase } = this.owner;
    counters[countersBase + SERVER.server_connections]! += 1;
    counters[countersBase + SERVER.server_connections_total]! += 1;
    const { protocol } = this.owner;
    const mustProve = this.failedAttempts > 0 || this.refusal !== null;
    this.handshakeReplies = protocol.handshakeReplies + (mustProve ? 1 : 0);
    this.handshakeAnswered = 0;
    if (this.handshakeReplies === 0) {
      this.ready();
      return;
    }
    const first = mustProve
      ? Buffer.concat([protocol.handshake, protocol.probe])
      : protocol.handshake;
    // A fresh socket takes these few bytes, or is no good.
    if (stream.write(first, 0, first.length) !== first.length) {
      this.onConnectFailed(cannotConnect(this.owner.name, "ECONNRESET"));
    }
  }

  private ready(): void {
    this.state = "ready";
    this.failedAttempts = 0;
    this.refusal = null;
    this.quietSinceMs = this.owner.turn.nowMs;
    this.owner.turn.mark(this);
    this.owner.onUp();
  }

  private onConnectFailed(failure: Failure): void {
    this.owner.counters[this.owner.countersBase + SERVER.server_err]! += 1;
    this.refusal = failure;
    this.lose(failure, failure);
    this.failedAttempts++;
    this.stayDown(failure);
    this.owner.onTrouble();
  }

  private stayDown(refusal: Failure): void {
    if (this.state === "closed") return;
    this.state = "down";
    this.refusal = refusal;
    this.cancelRetry();
    const delayMs = this.owner.retryDelayMs(this.failedAttempts);
    this.cancelRetry = this.owner.schedule(delayMs, () => this.open());
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
    const isReady = this.state === "ready";
    const { size } = this.pending;
    const written = this.out.appended - this.out.size;
    this.inQueue.set(isReady ? 0 : size);
    this.inQueueBytes.set(this.out.size);
    this.outQueue.set(isReady ? size : 0);
    this.outQueueBytes.set(isReady && size > 0 ? Math.max(written - this.pending.offset, 0) : 0);
  }

  private admitWaiters(): void {
    if (this.waiters.length === 0) return;
    if (this.out.size > UPSTREAM_QUEUE_LOW_BYTES || this.isFull) return;
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) this.owner.turn.wake(waiter);
  }

  // Receiving

  onBytes(chunk: Buffer): void {
    const { owner, input } = this;
    this.quietSinceMs = owner.turn.nowMs;
    owner.counters[owner.countersBase + SERVER.response_bytes]! += chunk.length;
    input.add(chunk, this.scanner.need, true);
    if (this.handshakeAnswered < this.handshakeReplies && !this.scanHandshake()) return;
    const { stream } = this;
    const isSound = this.deliverReplies();
    // A sink may have had the connection closed.
    if (this.stream !== stream) return;
    if (!isSound) {
      const { name } = owner;
      this.lost(garbageReceived(name, true), garbageReceived(name, false));
      return;
    }
    input.keepRest();
    this.gauge();
    if (this.waiters.length > 0) this.admitWaiters();
  }

  /** Passes every complete reply on, neighbours of one sink as one range. False: the bytes are not replies. */
  private deliverReplies(): boolean {
    const { input, scanner, pending } = this;
    const { bytes, end } = input;
    let position = input.start;
    let sink: ReplySink | null = null;
    let token = 0;
    let count = 0;
    let from = position;
    let replies = 0;
    let next = INCOMPLETE;
    while (position < end) {
      next = scanner.scan(bytes, position, end);
      if (next <= 0) break;
      if (pending.size === 0) {
        next = -1;
        break;
      }
      const nextSink = pending.sink;
      if (nextSink === sink && pending.token === token + count) {
        count++;
      } else {
        if (sink !== null) sink.onReplies(token, count, bytes, from, position);
        sink = nextSink;
        token = pending.token;
        count = 1;
        from = position;
      }
      pending.shift();
      replies++;
      position = next;
    }
    if (sink !== null) sink.onReplies(token, count, bytes, from, position);
    input.start = position;
    if (replies > 0) {
      this.losses = 0;
      this.owner.counters[this.owner.countersBase + SERVER.responses]! += replies;
      this.owner.onReply();
    }
    return next >= 0;
  }

  /** True: the handshake is over, and what follows are replies to requests. */
  private scanHandshake(): boolean {
    const { input, scanner, owner } = this;
    while (this.handshakeAnswered < this.handshakeReplies) {
      const next = scanner.scan(input.bytes, input.start, input.end);
      if (next === INCOMPLETE) {
        input.keepRest();
        return false;
      }
      const index = this.handshakeAnswered++;
      const isProbe = index >= owner.protocol.handshakeReplies;
      const fault =
        next < 0
          ? "to speak the expected protocol"
          : isProbe
            ? null
            : owner.protocol.handshakeFault(index, input.bytes, input.start, next);
      if (fault !== null) {
        this.onConnectFailed(handshakeRefused(owner.name, fault));
        return false;
      }
      input.start = next;
    }
    this.ready();
    return true;
  }

  // Losing

  onEnd(): void {
    this.onLost("");
  }

  onClose(cause: string): void {
    this.onLost(cause);
  }

  private onLost(cause: string): void {
    if (this.stream === null) return;
    const { owner } = this;
    if (this.state === "connecting") {
      this.onConnectFailed(cannotConnect(owner.name, cause === "" ? "ECONNRESET" : cause));
      return;
    }
    const counter = cause === "" ? SERVER.server_eof : SERVER.server_err;
    owner.counters[owner.countersBase + counter]! += 1;
    this.lost(connectionLost(owner.name, true), connectionLost(owner.name, false));
  }

  /** A standing connection is gone. An idle one may go in peace; with requests on it that tells against the server. */
  private lost(sent: Failure, unsent: Failure): void {
    const wasBusy = this.pending.size > 0;
    this.state = "idle";
    this.refusal = null;
    this.lose(sent, unsent);
    if (wasBusy) this.owner.onTrouble();
    if (this.state === "idle" && this.owner.isEager) {
      // Not at once: a server that accepts and hangs up would be called without end.
      this.losses++;
      this.cancelRetry();
      const delayMs = this.owner.retryDelayMs(this.losses);
      this.cancelRetry = this.owner.schedule(delayMs, () => this.open());
    }
  }

  private lose(sent: Failure, unsent: Failure): void {
    this.attempt?.abandon();
    this.attempt = null;
    const stream = this.stream;
    this.stream = null;
    if (stream !== null) {
      this.owner.counters[this.owner.countersBase + SERVER.server_connections]! -= 1;
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

  /** Fails what has waited too long. To be called every few milliseconds. */
  checkDeadlines(nowMs: number): void {
    const { owner } = this;
    const isLate = nowMs - this.connectStartedMs > owner.connectTimeoutMs;
    if (this.state === "connecting" && isLate) {
      this.onConnectFailed(cannotConnect(owner.name, "ETIMEDOUT"));
      return;
    }
    const { timeoutMs } = owner;
    if (timeoutMs === null || this.pending.oldestMs > nowMs - timeoutMs) return;
    const failure = timedOut(owner.name, timeoutMs);
    const expired = this.pending.expire(nowMs - timeoutMs, (sink, token, count) => {
      sink.onFailure(token, count, failure);
    });
    owner.counters[owner.countersBase + SERVER.server_timedout]! += expired;
    if (this.state === "ready") this.checkSilence(nowMs, timeoutMs);
    else if (this.pending.oldestMs === Number.POSITIVE_INFINITY) this.forgetUnsent();
  }

  /** Nothing was sent yet and nobody waits any more: then nothing needs to be sent. */
  private forgetUnsent(): void {
    this.out.clear();
    this.pending.drain(() => {});
    this.gauge();
  }

  private checkSilence(nowMs: number, timeoutMs: number): void {
    const silentMs = nowMs - this.quietSinceMs;
    if (silentMs < timeoutMs) return;
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

function nothing(): void {
  // No retry is scheduled.
}
