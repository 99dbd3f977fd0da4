/**
 * The event loop and its sockets, the clocks and chance, as the data plane sees them: it has no others, so that what it does follows
 * from what its engine tells it. There is one engine in a worker; `src/engine` has them.
 *
 * Everything is called from the event loop and calls back from it. No callback may throw: that ends the process.
 */
import type { Address } from "./config.ts";
import type { Stream, StreamEvents } from "./stream.ts";

/** What a TCP connection is to be like. Unix sockets take no notice. */
export interface SocketTuning {
  /** SO_KEEPALIVE. */
  readonly isKeptAlive: boolean;
  /** TCP_NODELAY. */
  readonly isUndelayed: boolean;
  /** TCP_QUICKACK, again with everything that is received: the kernel leaves that mode by itself. */
  readonly isQuicklyAcked: boolean;
}

export interface ConnectEvents {
  /** The connection stands; `stream` may be written at once. */
  onOpen(stream: Stream): void;
  /** No connection: `cause` is a code such as "ECONNREFUSED". After this nothing follows. */
  onError(cause: string): void;
}

export interface ConnectAttempt {
  /** Nothing will be heard of this attempt any more; what it may still open is closed. */
  abandon(): void;
}

export interface AcceptHandle {
  /** Accepts no client any more. Accepted streams live on, and the socket itself stays its maker's. */
  stop(): void;
}

export type EngineName = "bun" | "uring";

export interface Engine {
  readonly name: EngineName;
  /** Milliseconds of a clock that never goes back, and goes on within a turn. */
  nowMs(): number;
  /** Milliseconds since the epoch, by a clock that may be set. */
  epochMs(): number;
  /** A number from 0 up to, but not including, 1. What it decides is no secret. */
  random(): number;
  /** Calls `callback` once after `delayMs`, unless the returned function is called before. */
  timer(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` once when the socket events at hand are dealt with, before new ones are waited for. */
  atTurnEnd(callback: () => void): void;
  /** Calls `callback` once in a later turn: the sockets have theirs before. */
  later(callback: () => void): void;
  /**
   * Accepts from listening socket `fd`.
   * @param onStream who hears of a new stream's events, or null: it is closed at once
   * @throws when the fd is no listening socket
   */
  listen(
    fd: number,
    tuning: SocketTuning,
    onStream: (stream: Stream) => StreamEvents | null,
  ): AcceptHandle;
  /**
   * Connects to `address`. Names are resolved anew at each attempt, so that a server that moved is found.
   * Exactly one of onOpen and onError follows, never from inside this call; `streamEvents` hears of what comes after onOpen.
   * @param isHalfOpen the connection may still be written when the other end has ended its direction; absent: it closes then
   */
  connect(
    address: Address,
    tuning: SocketTuning,
    events: ConnectEvents,
    streamEvents: StreamEvents,
    isHalfOpen?: boolean,
  ): ConnectAttempt;
  /**
   * Makes descriptor `fd`, a connected socket, a stream, and owns it from now on. As a rule that happens inside of this call. When
   * the system is short of memory for it, it is tried again for a while.
   * @param onStream who hears of the stream's events, or null: it is closed at once
   * @param onError it is no stream socket, or there was no memory for too long, as `reason` says; it was closed
   */
  adopt(
    fd: number,
    tuning: SocketTuning,
    onStream: (stream: Stream) => StreamEvents | null,
    onError: (reason: string) => void,
  ): void;
  /**
   * For a process that ends: what was written goes to the kernel as far as that takes it. Nothing is heard of any stream any more,
   * and nothing may be called.
   */
  close(): void;
}

/** The engine of this process. */
export interface ChosenEngine {
  readonly engine: Engine;
  /** Why it is this one: one line for the user. */
  readonly reason: string;
}
