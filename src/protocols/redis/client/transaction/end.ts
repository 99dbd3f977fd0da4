/**
 * Awaits a server's reply to EXEC, DISCARD or UNWATCH, after which the connection that the client had for itself may be given
 * back, and answers the client.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { parseLength, RedisReplyScanner } from "../../codec/reply-scanner.ts";
import type { Change } from "./queue.ts";

/** What the proxy has to do with some of the elements of EXEC's reply, by their places. */
export interface ProxysPart {
  /** Requests that it answers itself, as multibulk. */
  readonly deferred: ReadonlyMap<number, Buffer>;
  /** What the client has become, unless the element is an error. */
  readonly changes: ReadonlyMap<number, Change>;
  /** It is of no more use. */
  drop(): void;
}

/** Told when the reply is there (or will never be), before the client gets it. */
export interface EndObserver {
  /** @param reply what the server said; null: nothing. */
  onEnd(reply: Buffer | null): void;
  /** Carries out a request without a server, and returns the reply. */
  answerDeferred(request: Buffer): Buffer;
  onChanged(change: Change): void;
}

const ASTERISK = 0x2a;
const MINUS = 0x2d;
const CR = 13;
const elements: RedisReplyScanner = new RedisReplyScanner(3);

export class TransactionEnd implements ReplySink {
  readonly takesRuns = false;
  private readonly session: ClientPort;
  private readonly observer: EndObserver;
  /** What the client is told whatever the server says; null: what the server says. */
  private readonly instead: Buffer | null;
  private readonly part: ProxysPart | null;
  /** What the client is told in place of an error; null: the error. */
  private readonly whenAborted: () => Buffer | null;

  constructor(
    session: ClientPort,
    observer: EndObserver,
    instead: Buffer | null,
    part: ProxysPart | null = null,
    whenAborted: () => Buffer | null = () => null,
  ) {
    this.session = session;
    this.observer = observer;
    this.instead = instead;
    this.part = part;
    this.whenAborted = whenAborted;
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    const { session, observer, instead, part } = this;
    observer.onEnd(bytes.subarray(start, end));
    const changed = bytes[start] === MINUS ? this.whenAborted() : null;
    if (instead === null && changed !== null) session.reply(token, changed);
    else if (instead !== null) session.reply(token, instead);
    else if (part === null) session.onReplies(token, count, bytes, start, end);
    else session.reply(token, this.withPart(part, bytes, start, end));
    part?.drop();
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.observer.onEnd(null);
    this.part?.drop();
    if (this.instead !== null) this.session.reply(token, this.instead);
    else this.session.onFailure(token, count, failure);
  }

  /** EXEC's reply, in which the server answered placeholders where the proxy's own answers belong. */
  private withPart(part: ProxysPart, bytes: Buffer, start: number, end: number): Buffer {
    const { observer, session } = this;
    const pieces: Buffer[] = [];
    let from = start;
    walkElements(bytes, start, end, (index, at, next) => {
      const change = part.changes.get(index);
      const isMade = change !== undefined && bytes[at] !== MINUS;
      // A change may have closed it: then there is no client any more that could become anything.
      if (isMade && session.isOpen) observer.onChanged(change);
      const request = part.deferred.get(index);
      if (request === undefined) return;
      pieces.push(bytes.subarray(from, at), observer.answerDeferred(request));
      from = next;
    });
    pieces.push(bytes.subarray(from, end));
    return Buffer.concat(pieces);
  }
}

/** Calls `visit` for each element of the array that bytes[start, end) is; not at all when it is none. */
function walkElements(
  bytes: Buffer,
  start: number,
  end: number,
  visit: (index: number, from: number, to: number) => void,
): void {
  if (bytes[start] !== ASTERISK) return;
  const lineEnd = bytes.indexOf(CR, start);
  const count = parseLength(bytes, start + 1, lineEnd);
  let at = lineEnd + 2;
  for (let index = 0; index < count; index++) {
    const next = elements.scan(bytes, at, end);
    visit(index, at, next);
    at = next;
  }
}
