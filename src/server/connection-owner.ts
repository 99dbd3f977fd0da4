import type { ConnectAttempt, ConnectEvents } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import type { StreamEvents } from "../api/stream.ts";
import type { Failure } from "../api/upstream.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { Turn } from "../base/turn.ts";
import type { PartialReplies } from "./partial-replies.ts";
import type { ServerTimes } from "./server-times.ts";

/** What a connection needs of the server it belongs to. */
export interface ConnectionOwner {
  readonly name: string;
  readonly turn: Turn;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  readonly timeoutMs: number | null;
  readonly connectTimeoutMs: number;
  /** See ConnectionRole, of connections that clients share. */
  readonly firstByteMs: number | null;
  readonly queueMs: number | null;
  readonly pendingMax: number;
  /** Connect again as soon as a connection is lost, instead of at the next request. */
  readonly isEager: boolean;
  /** What this worker counts of the server; where that is may change. */
  readonly counters: MetricBlock;
  /** The same, of its error replies by kind; null: they are not told apart. */
  readonly errors: MetricBlock | null;
  /** Null: the times of requests are not measured. */
  readonly times: ServerTimes | null;
  /** Of all connections of the worker. */
  readonly partialReplies: PartialReplies;
  /** @param isWatched ask now and then whether the other end is still there: silence says nothing */
  connect(events: ConnectEvents, streamEvents: StreamEvents, isWatched: boolean): ConnectAttempt;
  /** A shared connection takes a file descriptor (1), or has given it back (-1). */
  onDescriptor(by: 1 | -1): void;
  /** The connection stands and has answered its handshake. */
  onUp(): void;
  /** A connection that stood is gone, or one could not be made: it may be another process when it is heard of again. */
  onLost(): void;
  /** Something happened that tells against the server: `failure` says what. */
  onTrouble(failure: Failure): void;
  /** A reply got lost on the way, or one came too many: replies may have gone to other requests than theirs. */
  onOutOfStep(): void;
  /** Replies came. */
  onReply(): void;
  /** A reply is an error that tells of the server's state: `name`, as its protocol calls it. */
  onSignal(name: string): void;
  /** Milliseconds until a connection that is down shall try again, after so many failed attempts in a row; Infinity: not by itself. */
  retryDelayMs(failedAttempts: number): number;
  schedule(delayMs: number, callback: () => void): () => void;
}
