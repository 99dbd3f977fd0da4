/** A session of a pool whose filters hear how each request ends. */

import { TOKEN_MASK } from "../api/client-port.ts";
import type { FilterChain, Filtering, Outcome, RequestRecord } from "../api/filter.ts";
import type { Stream } from "../api/stream.ts";
import type { Failure } from "../api/upstream.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import { Session, type SessionOwner } from "./session.ts";

const NONE: Buffer = Buffer.alloc(0);

interface Awaited {
  readonly record: RequestRecord;
  /** Tokens that were opened for it and not settled. */
  owed: number;
  /** The frontend has dealt with the request: no more tokens are opened for it. */
  isTaken: boolean;
  /** How it ends when all replies to it were given before it was taken, and the last of them. */
  outcome: Outcome;
  bytes: Buffer;
  start: number;
  end: number;
}

export class FilteredSession extends Session {
  /** The boundaries between replies must be known. */
  override readonly takesRuns: boolean = false;
  /** Filters hear of them later. */
  override readonly copiesReplies: boolean = false;
  readonly #chain: FilterChain;
  readonly #filtering: Filtering;
  readonly #awaited: Map<number, Awaited> = new Map();
  /** The request that the frontend deals with now. */
  #current: Awaited | null = null;

  constructor(
    host: SessionOwner,
    stream: Stream,
    lane: number,
    { chain, filtering }: { readonly chain: FilterChain; readonly filtering: Filtering },
  ) {
    super(host, stream, lane);
    this.#chain = chain;
    this.#filtering = filtering;
  }

  /** Tokens that are opened from now on belong to the request of `record`. */
  begin(record: RequestRecord): void {
    if (this.#current?.record !== record) {
      this.#current = {
        ...{ record, owed: 0, isTaken: false, outcome: "reply", bytes: NONE, start: 0, end: 0 },
      };
    }
  }

  /** The request was taken, or refused with `reply`. */
  taken(): void {
    const current = this.#current;
    if (current === null) return;
    this.#current = null;
    current.isTaken = true;
    if (current.owed > 0) return;
    const { record, outcome, bytes, start, end } = current;
    this.#chain.done(record, outcome, bytes, start, end);
  }

  /** The request was refused, and its reply given. */
  refused(reply: Buffer): void {
    const current = this.#current;
    this.#current = null;
    if (current !== null) this.#chain.done(current.record, "refused", reply, 0, reply.length);
  }

  /** Every request that is still open ends so. */
  endAll(outcome: Outcome): void {
    const open = new Set(this.#awaited.values());
    if (this.#current !== null) open.add(this.#current);
    this.#awaited.clear();
    this.#current = null;
    for (const { record } of open) this.#chain.done(record, outcome, NONE, 0, 0);
  }

  override open(): number {
    const token = super.open();
    const current = this.#current;
    if (current !== null) {
      current.owed += 1;
      this.#awaited.set(token, current);
    }
    return token;
  }

  override onReplies(
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    // Without the boundaries in between nothing can be said of the replies.
    if (count === 1) this.#settle(token, bytes, start, end);
    else for (let i = 0; i < count; i++) this.#end((token + i) & TOKEN_MASK, "reply", NONE, 0, 0);
    super.onReplies(token, count, bytes, start, end);
  }

  override onFailure(token: number, count: number, failure: Failure): void {
    for (let i = 0; i < count; i++) {
      this.#end((token + i) & TOKEN_MASK, "failed", NONE, 0, 0);
    }
    super.onFailure(token, count, failure);
  }

  override reply(token: number, bytes: Buffer): void {
    this.#settle(token, bytes, 0, bytes.length);
    super.reply(token, bytes);
  }

  /** A reply must be whole to be seen. */
  override compose(): ByteQueue | null {
    return null;
  }

  #settle(token: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#awaited.has(token)) return;
    const isError = this.#filtering.isError(bytes, start, end);
    this.#end(token, isError ? "error" : "reply", bytes, start, end);
  }

  #end(token: number, outcome: Outcome, bytes: Buffer, start: number, end: number): void {
    const awaited = this.#awaited.get(token);
    if (awaited === undefined) return;
    this.#awaited.delete(token);
    awaited.owed -= 1;
    // Of several replies to one request the last one counts.
    if (awaited.owed > 0) return;
    if (awaited.isTaken) this.#chain.done(awaited.record, outcome, bytes, start, end);
    else Object.assign(awaited, { outcome, bytes, start, end });
  }
}
