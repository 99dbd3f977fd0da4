/**
 * A transaction that is split over servers, as `transactions: split` has it: it is kept here until EXEC, and then each server gets its requests as
 * a transaction of its own. The reply to EXEC has their replies in the order of the requests; what is wrong with one server stands in place of
 * each of its elements. When nothing went right, the reply is the first error alone.
 */
import { KIND } from "../../../../api/protocol.ts";
import type { Failure, ReplySink, Upstream } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { KeptBytes } from "../../../kept-bytes.ts";
import { arrayHeader } from "../../codec/encode.ts";
import { parseLength, RedisReplyScanner } from "../../codec/reply-scanner.ts";
import { RequestScanner } from "../../codec/request-scanner.ts";
import { RequestView } from "../../codec/request-view.ts";
import type { RedisClient } from "../redis-client.ts";
import { MISMATCH } from "../refusals.ts";
import { commandIn } from "../sent-request-reader.ts";
import type { EndObserver } from "./end.ts";
import type { TransactionQueue } from "./queue.ts";
import { EXEC } from "./requests.ts";
import { firstKeyOf, serverFor } from "./rules.ts";
import { beginWhole, isAwaited, openEnd, type Whole } from "./whole.ts";

/** What one server is to execute. */
interface Part {
  /** One of its keys, or null: its requests name none. */
  key: Buffer | null;
  readonly requests: Buffer[];
}

export interface Split {
  readonly parts: readonly Part[];
  /** By request, in their order: its part, or why no server can have it. */
  readonly places: readonly (Part | Buffer)[];
}

const scanner: RequestScanner = new RequestScanner();
const view: RequestView = new RequestView();
const elements: RedisReplyScanner = new RedisReplyScanner(3);
const ASTERISK = 0x2a;
const CR = 13;

/** Who gets what of what `queue` has kept, as servers are now. Requests without a key go with the first part. */
export function splitOf({ pool }: RedisClient, queue: TransactionQueue): Split {
  const kept = queue.keptRequests;
  const parts: Map<Upstream, Part> = new Map();
  const anywhere: Part = { key: null, requests: [] };
  const places: (Part | Buffer)[] = [];
  scanner.isAuthenticated = true;
  for (let at = 0; at < kept.length; ) {
    const next = scanner.scan(kept, at, kept.length, view);
    const command = commandIn(pool.commands, view);
    const place = command === null ? "any" : serverFor(command, view, pool.route, pool.hashTag);
    if (Buffer.isBuffer(place)) places.push(place);
    else {
      let part = place === "any" ? anywhere : parts.get(place);
      if (part === undefined) {
        part = { key: firstKeyOf(command!, view), requests: [] };
        parts.set(place as Upstream, part);
      }
      part.requests.push(kept.subarray(at, next));
      places.push(part);
    }
    at = next;
  }
  view.release();
  const [first] = parts.values();
  if (anywhere.requests.length === 0) return { parts: [...parts.values()], places };
  if (first === undefined) return { parts: [anywhere], places };
  return { parts: [...parts.values()], places: joined(places, anywhere, first) };
}

/** What is in `from` is in `to`, in the order of all requests. */
function joined(
  places: readonly (Part | Buffer)[],
  from: Part,
  to: Part,
): readonly (Part | Buffer)[] {
  const [ofFrom, ofTo] = [[...from.requests], to.requests.splice(0)];
  return places.map((place) => {
    if (place !== from && place !== to) return place;
    to.requests.push((place === from ? ofFrom : ofTo).shift()!);
    return to;
  });
}

/** Whether a server of it is lost and may come back; the client is woken when that has been decided. */
export function isSplitAwaited(client: RedisClient, { parts }: Split): boolean {
  return parts.some((part) => isAwaited(client, part));
}

/** Sends what `queue` has kept, as `split` says, in place of the client's EXEC. Only while nothing is owed to the client. */
export function sendSplit(
  client: RedisClient,
  queue: TransactionQueue,
  split: Split,
  observer: Omit<EndObserver, "onEnd">,
): true {
  const { parts } = split;
  const wholes = parts.map(({ key, requests }) => ({
    ...{ client, key, count: requests.length, changesUser: false },
    bytes: Buffer.concat([...requests, EXEC]),
  }));
  const end = openEnd(client, queue, observer);
  queue.takeKept();
  const replies = new SplitReplies(client, split, end);
  for (const [token, whole] of wholes.entries()) beginWhole({ ...whole, sink: replies, token });
  replies.checkDone();
  return true;
}

/** Gets what each part was answered, and makes the reply to EXEC of it. A part's number is its token. */
class SplitReplies implements ReplySink {
  readonly takesRuns = false;
  private readonly client: RedisClient;
  private readonly split: Split;
  private readonly end: Pick<Whole, "sink" | "token">;
  /** By part: the elements of its reply, or the one error in place of each. */
  private readonly found: Map<Part, Buffer[] | Buffer> = new Map();
  private readonly kept: KeptBytes;
  private isDone = false;

  constructor(client: RedisClient, split: Split, end: Pick<Whole, "sink" | "token">) {
    this.client = client;
    this.split = split;
    this.end = end;
    this.kept = new KeptBytes(client.session);
  }

  onReplies(token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    const part = this.split.parts[token]!;
    this.kept.add(end - start);
    const reply = copyOf(bytes, start, end);
    this.found.set(part, reply[0] === ASTERISK ? elementsOf(reply, part.requests.length) : reply);
    this.checkDone();
  }

  onFailure(token: number, _count: number, failure: Failure): void {
    const reply = this.client.session.failureReply(failure, this.end.token);
    this.found.set(this.split.parts[token]!, reply);
    this.checkDone();
  }

  /** To be called once more when all parts were sent: there may be none. */
  checkDone(): void {
    const { parts } = this.split;
    if (this.isDone || this.found.size < parts.length) return;
    this.isDone = true;
    const reply = this.merged();
    this.kept.drop();
    const { sink, token } = this.end;
    const kind = reply[0] === ASTERISK ? KIND.value : KIND.error;
    sink.onReplies(token, 1, reply, 0, reply.length, kind);
  }

  private merged(): Buffer {
    const { places } = this.split;
    const taken: Map<Part, number> = new Map();
    let hasWorked = false;
    const pieces = places.map((place) => {
      const found = Buffer.isBuffer(place) ? place : this.found.get(place)!;
      if (Buffer.isBuffer(found)) return found;
      hasWorked = true;
      const at = taken.get(place as Part) ?? 0;
      taken.set(place as Part, at + 1);
      return found[at]!;
    });
    return hasWorked ? Buffer.concat([arrayHeader(pieces.length), ...pieces]) : pieces[0]!;
  }
}

/** The elements of the array `reply`, which are `count`; or what is wrong with it. */
function elementsOf(reply: Buffer, count: number): Buffer[] | Buffer {
  const lineEnd = reply.indexOf(CR);
  if (parseLength(reply, 1, lineEnd) !== count) return MISMATCH;
  const found: Buffer[] = [];
  for (let at = lineEnd + 2; found.length < count; ) {
    const next = elements.scan(reply, at, reply.length);
    found.push(reply.subarray(at, next));
    at = next;
  }
  return found;
}
