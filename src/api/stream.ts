/**
 * The I/O engine's contract: what the data plane sees of a connected socket, on either side.
 *
 * A stream never buffers for its user: `write` says how much the kernel took, and the rest stays the caller's.
 */
export interface Stream {
  /** Another process can go on with its descriptor: nothing of what this one knows of the connection is needed for that. */
  readonly isMovable: boolean;
  /** The socket's fd, for hand-over to another process; -1 once closed. */
  readonly fd: number;
  /**
   * Offers bytes[start, start + length) to the kernel. The bytes are borrowed for the call only.
   * @returns how many were taken (0: full, `onDrain` follows), or -1: the connection is gone, `onClose` follows or came. A paused
   *   stream is resumed then, and what was received before the end is still heard.
   */
  write(bytes: Buffer, start: number, length: number): number;
  /** Bytes that were taken by `write` and have not reached the peer's kernel: a reset would lose them. */
  readonly undelivered: number;
  /** Stops reading. While paused the peer's FIN goes unnoticed: bound every pause. */
  pause(): void;
  resume(): void;
  /** Sends FIN and goes on reading: for a last reply that must arrive although input is unread. */
  shutdown(): void;
  /** Closes both directions. `onClose` is called, before this returns or later, exactly once. */
  close(): void;
  /** Closes by a reset: what is under way may be lost, and the peer does not take it for an end in good order. */
  abort(): void;
  /**
   * To be called before a move. What this process has received is heard inside of this call, also while the stream is paused, and until
   * the turn is over nothing more is received: what comes then waits in the kernel. Anything may have happened to the stream by then.
   */
  quiesce(): void;
  /**
   * Bytes that `write` took and the kernel did not yet, after `quiesce`: the process that goes on with the connection sends them before
   * anything else. Borrowed.
   */
  readonly unsent: Buffer;
  /**
   * Lets go of the connection without closing it: another process holds it now. Nothing more is heard of it.
   */
  detach(): void;
  /** Address of the other end, for humans: "10.0.0.1:51234", or "unix". */
  readonly peer: string;
  /**
   * What the connections of one client have in common, for shares of what is bounded: "10.0.0.1", of IPv6 the network
   * "2001:db8:1:2::/64", on a unix socket the user "uid 1000". "closed" once it is closed.
   */
  readonly origin: string;
  /** The same as `peer`, of this end. */
  readonly localAddress: string;
}

export interface StreamEvents {
  /**
   * bytes[start, end) were received. The other bytes of the buffer are not the callee's to look at.
   * @param isStable those bytes never change: ranges of them may be kept. False: they are borrowed for the call, because the engine
   *   will receive into them again; what is kept is copied
   */
  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void;
  /** The socket may take bytes again. Spurious calls happen: must be idempotent. */
  onDrain(): void;
  /** The peer will send no more; writing is still possible. */
  onEnd(): void;
  /** The connection is gone. `cause` is an errno name such as "ECONNRESET", or "" for an orderly close. Exactly once. */
  onClose(cause: string): void;
}
