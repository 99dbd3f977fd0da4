/**
 * A call of a script or function that a server said it did not have, although it should: asks whether that is so, has it
 * loaded, and calls again.
 *
 * It is asked because a script may reply with the same words, after it has run: then it must not run twice.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { Failure, Link, ReplySink, Upstream } from "../../../../api/upstream.ts";
import type { Loadable } from "./loadable.ts";

/** What a call needs to be on the server. */
export interface Wanted {
  readonly loadable: Loadable;
  /** A request whose reply is `absence` if it is not there. */
  readonly check: Buffer;
  readonly absence: Buffer;
}

export interface FailedCall {
  readonly session: ClientPort;
  readonly upstream: Upstream;
  /** It takes requests. */
  readonly connection: Link;
  /** The session's slot; still open. */
  readonly token: number;
  /** The request is bytes[start, end). */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** What the server said. */
  readonly error: Buffer;
  readonly wanted: Wanted;
}

const CHECK = 0;
const CALL = 1;

export class RepeatedCall implements ReplySink {
  readonly takesRuns = false;
  private readonly call: FailedCall;

  constructor(call: FailedCall) {
    this.call = call;
  }

  begin(): void {
    const { connection, wanted } = this.call;
    connection.send(wanted.check, 0, wanted.check.length, this, CHECK, 1);
  }

  onReplies(step: number, _count: number, bytes: Buffer, start: number, end: number): void {
    const { session, token, error } = this.call;
    if (step === CALL) session.onReplies(token, 1, bytes, start, end);
    else if (!this.isAbsent(bytes, start, end) || !this.callAgain()) session.reply(token, error);
  }

  onFailure(step: number, _count: number, failure: Failure): void {
    const { session, token, error } = this.call;
    if (step === CALL) session.onFailure(token, 1, failure);
    else session.reply(token, error);
  }

  private isAbsent(bytes: Buffer, start: number, end: number): boolean {
    const { absence } = this.call.wanted;
    return bytes.compare(absence, 0, absence.length, start, end) === 0;
  }

  /** False: too late, the client has asked for other things since. The next call will find it loaded. */
  private callAgain(): boolean {
    const { session, upstream, connection, token, bytes, start, end, wanted } = this.call;
    wanted.loadable.markLost(upstream);
    if (!session.isOpen || token !== session.lastToken || connection.refusal !== null) return false;
    wanted.loadable.load(upstream, connection);
    connection.send(bytes, start, end, this, CALL, 1);
    return true;
  }
}
