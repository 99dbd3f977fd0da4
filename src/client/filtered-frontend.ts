/**
 * A frontend behind filters: it cuts the client's bytes into requests, has each judged, and gives those that go on to the
 * protocol's own frontend one by one. What is saved when the client moves is that frontend's state alone, so that pools with
 * and without filters take over each other's clients.
 */
import type { FilterChain, Filtering, RequestReader, RequestRecord } from "../api/filter.ts";
import type { ClientFacts, Frontend } from "../api/frontend.ts";
import type { Failure } from "../api/upstream.ts";
import { FilteredSession } from "./filtered-session.ts";
import type { Session } from "./session.ts";

export interface FilteredFrontendOptions {
  readonly session: Session;
  readonly inner: Frontend;
  readonly chain: FilterChain;
  readonly filtering: Filtering;
  /** See ProtocolPool.createFrontend. */
  readonly saved: unknown;
  /** Counts requests that the inner frontend does not see. */
  readonly count: (requests: number, local: number) => void;
  /** The client speaks what filters cannot read. */
  readonly onUnreadable: () => void;
  /** The chain hears how requests end, if `session` tells. */
  readonly hearsEnds: boolean;
}

const NONE: Buffer = Buffer.alloc(0);

export class FilteredFrontend implements Frontend {
  readonly #options: FilteredFrontendOptions;
  readonly #inner: Frontend;
  readonly #session: Session;
  /** The same, when ends of requests are heard. */
  readonly #tracked: FilteredSession | null;
  #reader: RequestReader;
  /** Bytes of the request at the input's start, which was judged and not taken yet; 0: there is none. */
  #judgedBytes = 0;

  constructor(options: FilteredFrontendOptions) {
    this.#options = options;
    this.#inner = options.inner;
    this.#session = options.session;
    const { session, hearsEnds } = options;
    this.#tracked = hearsEnds && session instanceof FilteredSession ? session : null;
    this.#reader = options.filtering.createReader(options.saved);
  }

  get chain(): FilterChain {
    return this.#options.chain;
  }

  /** What it stands before, which can take over at any time but within `consume`. */
  get inner(): Frontend {
    return this.#inner;
  }

  consume(bytes: Buffer, start: number, end: number): number {
    let position = start;
    while (this.#session.mayTakeMore()) {
      const next =
        this.#judgedBytes > 0 ? position + this.#judgedBytes : this.#scan(bytes, position, end);
      if (next <= position) break;
      if (this.#judgedBytes === 0 && this.#reader.isRequest && !this.#judge()) {
        position = next;
        continue;
      }
      const taken = this.#inner.consume(bytes, position, next);
      if (taken < next) {
        this.#judgedBytes = next - position;
        break;
      }
      this.#judgedBytes = 0;
      this.#tracked?.taken();
      position = next;
    }
    return position;
  }

  /** @returns where the next request ends, or `start`: there is none to go on with */
  #scan(bytes: Buffer, start: number, end: number): number {
    const next = this.#reader.scan(bytes, start, end);
    if (next > start) return next;
    if (next < 0 && this.#reader.isUnreadable) {
      this.#options.onUnreadable();
      this.#session.close();
      return start;
    }
    // Incomplete, or no request at all: the protocol's own bounds and words hold.
    this.#inner.consume(bytes, start, end);
    if (next < 0 && this.#session.mayTakeMore()) this.#session.close();
    return start;
  }

  /** @returns false: the request was refused, and answered */
  #judge(): boolean {
    const { chain, count } = this.#options;
    const session = this.#session;
    let record: RequestRecord | null = null;
    if (this.#tracked !== null) {
      record = chain.createRecord(this.#reader);
      this.#tracked.begin(record);
    }
    const reply = chain.judge(this.#reader, session, record);
    if (reply === null) return true;
    // It was shown the request's beginning when that was all that there was, to see its bounds kept.
    this.#inner.forgetRequest?.();
    // The reply is no longer the request's: what becomes of it is said by `refused`.
    this.#tracked?.refused(reply);
    if (this.#inner.answerUnseen !== undefined) {
      this.#inner.answerUnseen(reply);
      count(1, 0);
    } else {
      session.reply(session.open(), reply);
      count(1, 1);
    }
    return false;
  }

  forgetRequest(): void {
    this.#judgedBytes = 0;
    this.#reader = this.#options.filtering.createReader(undefined);
    this.#inner.forgetRequest?.();
  }

  get need(): number {
    return this.#inner.need;
  }

  failureReply(failure: Failure, token: number): Buffer {
    return this.#inner.failureReply(failure, token);
  }

  saveState(): unknown {
    return this.#inner.saveState();
  }

  get facts(): ClientFacts | undefined {
    return this.#inner.facts;
  }

  get user(): string | undefined {
    return this.#inner.user;
  }

  get descriptors(): readonly number[] {
    return this.#inner.descriptors;
  }

  quiesce(): void {
    this.#inner.quiesce?.();
  }

  get unforwarded(): Buffer {
    return this.#inner.unforwarded ?? NONE;
  }

  get isReadyToMove(): boolean {
    return this.#inner.isReadyToMove;
  }

  get needsFormat(): number {
    return this.#inner.needsFormat;
  }

  get prefersToStay(): boolean {
    return this.#inner.prefersToStay;
  }

  onRouteChange(): void {
    this.#inner.onRouteChange();
  }

  leave(): void {
    this.#tracked?.endAll("moved");
    this.#inner.leave();
  }

  close(): void {
    // After `leave` there are none left.
    this.#tracked?.endAll("closed");
    this.#inner.close();
  }
}
