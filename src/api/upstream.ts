/**
 * How the client side and the server side of the data plane speak to each other.
 *
 * A token is the sink's own name for a request: a session's slot number, a gather's part number. It means
 * nothing to the upstream, which only gives it back.
 */

/** Why a request got no reply. Preallocated constants; `sent` says whether the server may have acted on the request. */
export interface Failure {
  readonly kind: "refused" | "closed" | "timeout" | "connect_timeout" | "ejected" | "handshake" | "overflow" | "unresolved";
  /** The server's name as configured. */
  readonly server: string;
  /** The whole request may have reached the server: a write may or may not have happened. */
  readonly sent: boolean;
  /** For humans, one line, no CR or LF. */
  readonly text: string;
}

export interface ReplySink {
  /**
   * Replies to `count` consecutive requests, token … token + count - 1, lie in bytes[start, end) back to back.
   * The bytes are borrowed: copy what must outlive the call. For count > 1 the single boundaries are unknown.
   */
  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void;
  /** No reply will come for `count` consecutive requests. Each token gets exactly one of onReplies / onFailure. */
  onFailure(token: number, count: number, failure: Failure): void;
}
