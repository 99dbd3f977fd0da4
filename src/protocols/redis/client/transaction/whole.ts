/**
 * A transaction where servers change places: it is sent at EXEC, whole, over a connection that the client has for itself until the
 * reply. When its keys are elsewhere nothing of it was executed, and it is sent there.
 *
 *   MULTI ─ +OK ─▶ requests, EXEC ─ reply ─▶ the client
 *     ▲                 │ -MOVED, -ASK, -TRYAGAIN …
 *     └─────────────────┘
 */
import { KIND, type ReplyKind } from "../../../../api/protocol.ts";
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { Failure, Lease, ReplySink, Route, Upstream } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { KeptBytes } from "../../../kept-bytes.ts";
import { encodeRequest } from "../../codec/encode.ts";
import type { Redirection } from "../../redirect/redirection.ts";
import { awaitsRecovery } from "../awaits-recovery.ts";
import { leaseFrom } from "../lease-from.ts";
import type { RedisClient } from "../redis-client.ts";
import { NO_SERVER } from "../refusals.ts";
import { type EndObserver, TransactionEnd } from "./end.ts";
import type { TransactionQueue } from "./queue.ts";
import { abortedBecause } from "./replies.ts";
import { EXEC, MULTI } from "./requests.ts";

const ASKING: Buffer = encodeRequest("ASKING");
const MINUS = 0x2d;
/** It is sent again no sooner than this when nodes do not serve it for a moment. */
const AGAIN_MS = 25;
const TRIES_MAX = 16;

// Tokens: what a reply is to.
const TO_ASKING = 0;
const TO_MULTI = 1;
const TO_REQUESTS = 2;

/** A transaction, or the part of it that one server gets. */
export interface Whole {
  readonly client: RedisClient;
  /** Where its keys are: a key of it, or null: it names none. */
  readonly key: Buffer | null;
  /** Its requests, back to back, and EXEC; and how many there are without that. */
  readonly bytes: Buffer;
  readonly count: number;
  /** Another user is on the connection afterwards. */
  readonly changesUser: boolean;
  /** Of the slot that the client's EXEC has. Gets the reply to EXEC, or why there is none. */
  readonly sink: ReplySink;
  readonly token: number;
}

/** Whether it waits for its server, which is lost; the client is woken when that has been decided. */
export function isAwaited(client: RedisClient, { key }: Pick<Whole, "key">): boolean {
  const { session, variant, pool } = client;
  const upstream = placeOf(pool.route, key);
  const link = upstream?.connection(session.lane, variant);
  if (link === undefined || awaitsRecovery(client, link)) return link !== undefined;
  // What waits there for the server is older.
  if (link.isFull) session.waitFor(link);
  return link.isFull;
}

/** Sends what `queue` has kept, in place of the client's EXEC. Only while nothing is owed to the client. */
export function sendWhole(
  client: RedisClient,
  queue: TransactionQueue,
  observer: Omit<EndObserver, "onEnd">,
): true {
  const { key, keptCount: count } = queue;
  const changesUser = queue.changes.size > 0;
  const end = openEnd(client, queue, observer);
  const bytes = Buffer.concat([queue.takeKept(), EXEC]);
  beginWhole({ client, key, bytes, count, changesUser, ...end });
  return true;
}

/** The slot for the client's EXEC, and what is to get the reply to it. What `queue` has kept for servers is to be taken at once. */
export function openEnd(
  client: RedisClient,
  queue: TransactionQueue,
  observer: Omit<EndObserver, "onEnd">,
): Pick<Whole, "sink" | "token"> {
  const { session } = client;
  client.flushRun();
  session.waitUntilSettled();
  const hasPart = queue.deferred.size + queue.changes.size > 0;
  const quiet: EndObserver = {
    onEnd() {},
    answerDeferred: (request) => observer.answerDeferred(request),
    onChanged: (change) => observer.onChanged(change),
  };
  const sink = new TransactionEnd(session, quiet, null, hasPart ? queue : null);
  if (!hasPart) queue.drop();
  return { sink, token: session.open() };
}

/** Only while nothing is owed to the client but this. */
export function beginWhole(whole: Whole): void {
  new WholeTransaction(whole).begin();
}

const facts: PlainFacts = new PlainFacts();

function placeOf(route: Route, key: Buffer | null): Upstream | null {
  if (key === null) return route.upstreams[0] ?? null;
  const upstream = route.pick(facts.ofKey(key, ACCESS.write));
  facts.release();
  return upstream;
}

class WholeTransaction implements ReplySink {
  readonly takesRuns = false;
  private readonly whole: Whole;
  private readonly bytes: Buffer;
  private readonly kept: KeptBytes;
  private lease: Lease | null = null;
  /** Where it was tried last. */
  private upstream: Upstream | null = null;
  private redirection: Redirection | null = null;
  private isOver = false;
  private tries = 0;
  private readonly sinceMs: number;

  constructor(whole: Whole) {
    this.whole = whole;
    this.bytes = whole.bytes;
    this.kept = new KeptBytes(whole.client.session);
    this.kept.add(whole.bytes.length + (whole.key?.length ?? 0));
    this.sinceMs = whole.client.pool.turn.nowMs;
  }

  /** Only while nothing is owed to the client but this. */
  begin(): void {
    const { key, client } = this.whole;
    const picked = placeOf(client.pool.route, key);
    if (picked === null) this.answer(NO_SERVER);
    else this.open(picked, false);
  }

  private open(upstream: Upstream, isAsking: boolean): void {
    const { session, variant } = this.whole.client;
    const { refusal, isRecovering } = upstream.connection(session.lane, variant);
    this.upstream = upstream;
    if (refusal !== null && isRecovering === true && this.waitAndTry()) return;
    const lease = leaseFrom(upstream, this.whole.client);
    if (Buffer.isBuffer(lease)) {
      this.answer(lease);
      return;
    }
    this.lease = lease;
    this.redirection = null;
    if (isAsking) lease.send(ASKING, 0, ASKING.length, this, TO_ASKING, 1);
    lease.send(MULTI, 0, MULTI.length, this, TO_MULTI, 1);
  }

  onReplies(
    token: number,
    _count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    const { lease, whole } = this;
    if (this.isOver || lease === null || token === TO_ASKING) return;
    const isError = bytes[start] === MINUS;
    if (token === TO_MULTI) {
      // Without it, the requests would be executed one by one.
      if (isError) this.end(false, this.refusal(bytes, start, end), KIND.error);
      else lease.send(this.bytes, 0, this.bytes.length, this, TO_REQUESTS, whole.count + 1);
      return;
    }
    if (isError) {
      const error = copyOf(bytes, start, end);
      this.redirection ??= whole.client.pool.follower?.note(error, lease.upstream.name) ?? null;
    }
    if (token < TO_REQUESTS + whole.count) return;
    if (isError && this.redirection !== null && this.goOn(this.redirection)) return;
    this.end(!whole.changesUser, copyOf(bytes, start, end), kind);
  }

  private refusal(bytes: Buffer, start: number, end: number): Buffer {
    return abortedBecause(bytes.toString("latin1", start + 1, end - 2));
  }

  onFailure(token: number, _count: number, failure: Failure): void {
    if (this.isOver || token === TO_ASKING || this.lease === null) return;
    // Before EXEC nothing is executed.
    const isUnsure = token >= TO_REQUESTS && failure.wasSent;
    if (!isUnsure && this.mayWaitAfter(failure) && this.goOn({ type: "down" })) return;
    this.isOver = true;
    this.kept.drop();
    this.lease?.release(false);
    this.whole.sink.onFailure(this.whole.token, 1, failure);
  }

  /** Nothing was executed. @returns false: it is not tried again */
  private goOn(redirection: Redirection): boolean {
    const { client } = this.whole;
    const { route, follower } = client.pool;
    const isMoved = redirection.type === "moved" || redirection.type === "ask";
    if (isMoved) this.tries++;
    if (this.tries > TRIES_MAX || !client.session.isOpen) return false;
    if (!isMoved && !this.waitAndTry()) return false;
    this.lease?.release(isMoved);
    this.lease = null;
    if (!isMoved) return true;
    if (redirection.type === "ask") {
      follower?.admit(redirection.to);
      const target = route.upstreams.find(({ name }) => name === redirection.to);
      if (target === undefined) return false;
      this.open(target, true);
    } else this.begin();
    return true;
  }

  private mayWaitAfter(failure: Failure): boolean {
    const { follower } = this.whole.client.pool;
    return this.upstream !== null && follower?.waitsAfter(failure, this.upstream) === true;
  }

  /** Begins anew a little later. @returns false: it may not wait */
  private waitAndTry(): boolean {
    const { pool, session } = this.whole.client;
    const { follower, turn, deadlines } = pool;
    const { length } = this.bytes;
    const isLate = turn.nowMs - this.sinceMs >= (follower?.patienceMs ?? 0);
    if (isLate || this.upstream === null || follower?.beginWait(this.upstream, length) !== true) {
      return false;
    }
    const again = deadlines.create(() => {
      follower.endWait(length);
      if (session.isOpen) this.begin();
    });
    again.set(turn.nowMs + AGAIN_MS);
    return true;
  }

  private end(isClean: boolean, reply: Buffer, kind: ReplyKind): void {
    this.isOver = true;
    this.kept.drop();
    this.lease?.release(isClean);
    this.whole.sink.onReplies(this.whole.token, 1, reply, 0, reply.length, kind);
  }

  private answer(reply: Buffer): void {
    this.end(false, reply, KIND.error);
  }
}
