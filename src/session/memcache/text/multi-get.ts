/**
 * Splits a `get` (gets, gat, gats) with several keys into one request per server.
 *
 *   get a b c d   →   server 1: get a c      server 2: get b d
 *
 * A long `gat` becomes several requests per server: servers hang up on long lines, unless they begin with get or gets.
 */
import type { Route, Upstream, UpstreamConnection } from "../../../api/upstream.ts";
import type { ByteQueue } from "../../../base/byte-queue.ts";
import { MEMCACHE_SENT_LINE_BYTES_MAX } from "../../../base/limits.ts";
import { line } from "../../../protocol/memcache/text/replies.ts";
import type { TextRequest } from "../../../protocol/memcache/text/text-request.ts";
import type { Session } from "../../session.ts";
import { VARIANT_TEXT } from "../memcache-pool.ts";
import { takeGetGather } from "./get-gather.ts";

/** `plan` found a key whose server is not there. */
export const NO_SERVER = -1;
/** Of a key that counts as a miss. */
const NO_PART = -1;

const CRLF: Buffer = line("");
const SPACE: Buffer = Buffer.from(" ");

// Scratch space shared by all sessions: a request is split in one go.
let partOfKey: Int32Array = new Int32Array(1024);
/** By upstream index: its newest part's number + 1 in the request at hand, or 0. All zero between requests. */
let partOfUpstream: Int32Array = new Int32Array(64);
/** By part. */
const upstreams: Upstream[] = [];
const lineBytes: number[] = [];
const previousPart: number[] = [];
const queues: (ByteQueue | null)[] = [];

export class MultiGet {
  private readonly session: Session;
  private readonly deadIsMiss: boolean;

  constructor(session: Session, deadIsMiss: boolean) {
    this.session = session;
    this.deadIsMiss = deadIsMiss;
  }

  /** Finds the server of each key, from token `firstKey` on. @returns the number of parts, or NO_SERVER */
  plan(request: TextRequest, firstKey: number, route: Route): number {
    const { bytes, count, tokenStart, tokenEnd } = request;
    const keys = count - firstKey;
    if (partOfKey.length < keys) partOfKey = new Int32Array(keys * 2);
    if (partOfUpstream.length < route.upstreams.length) {
      partOfUpstream = new Int32Array(route.upstreams.length);
    }
    const isBounded = firstKey === 2;
    const headBytes = isBounded ? request.length(0) + request.length(1) + 1 : request.length(0);
    upstreams.length = 0;
    let hasServers = true;
    for (let key = 0; key < keys; key++) {
      const start = tokenStart[firstKey + key]!;
      const end = tokenEnd[firstKey + key]!;
      const upstream = route.pick(bytes, start, end);
      if (upstream === null) {
        partOfKey[key] = NO_PART;
        if (this.deadIsMiss) continue;
        hasServers = false;
        break;
      }
      let part = partOfUpstream[upstream.index]! - 1;
      const keyBytes = end - start + 1;
      if (part < 0 || (isBounded && lineBytes[part]! + keyBytes > MEMCACHE_SENT_LINE_BYTES_MAX)) {
        previousPart[upstreams.length] = part;
        part = upstreams.length;
        upstreams.push(upstream);
        lineBytes[part] = headBytes;
        partOfUpstream[upstream.index] = part + 1;
      }
      lineBytes[part]! += keyBytes;
      partOfKey[key] = part;
    }
    for (const upstream of upstreams) partOfUpstream[upstream.index] = 0;
    return hasServers ? upstreams.length : NO_SERVER;
  }

  /** The connection of part number `part` of the request that was planned last. */
  connection(part: number): UpstreamConnection {
    return upstreams[part]!.connection(this.session.lane, VARIANT_TEXT);
  }

  /** Sends the parts of the request that was planned last; their merged reply settles `token`. */
  send(request: TextRequest, firstKey: number, token: number): void {
    const parts = upstreams.length;
    const gather = takeGetGather(this.session, token, this.deadIsMiss);
    gather.expect(request, firstKey, partOfKey, parts);
    const { count, isPlain } = request;
    queues.length = parts;
    queues.fill(null);
    const lost: number[] = [];
    let key = firstKey;
    while (key < count) {
      const part = partOfKey[key - firstKey]!;
      let last = key;
      while (isPlain && last + 1 < count && partOfKey[last + 1 - firstKey] === part) last++;
      if (part !== NO_PART && !lost.includes(part)) {
        const queue = queues[part] ?? this.begin(request, firstKey, part, gather);
        if (queue === null) lost.push(part);
        else appendKeys(queue, request, key, last);
      }
      key = last + 1;
    }
    for (let part = 0; part < parts; part++) this.end(part);
    // Only now: the last of them settles the slot.
    for (const part of lost) gather.onFailure(part, 1, this.connection(part).refusal!);
  }

  /** Begins the request of a part; null: its server is not there. */
  private begin(
    request: TextRequest,
    firstKey: number,
    part: number,
    gather: ReturnType<typeof takeGetGather>,
  ): ByteQueue | null {
    const previous = previousPart[part]!;
    if (previous >= 0) this.end(previous);
    const connection = this.connection(part);
    if (connection.refusal !== null) return null;
    const queue = connection.begin(gather, part);
    const { line: head, bytes, tokenStart, tokenEnd } = request;
    if (firstKey === 2 && head !== null) {
      // The rewritten line has all keys; its first two words are what is wanted.
      queue.append(head, 0, head.indexOf(0x20, head.indexOf(0x20) + 1));
    } else if (firstKey === 2) {
      queue.append(bytes, tokenStart[0]!, tokenEnd[0]!);
      queue.append(SPACE, 0, 1);
      queue.append(bytes, tokenStart[1]!, tokenEnd[1]!);
    } else {
      queue.append(bytes, tokenStart[0]!, tokenEnd[0]!);
    }
    queues[part] = queue;
    return queue;
  }

  private end(part: number): void {
    const queue = queues[part];
    if (queue === null || queue === undefined) return;
    queue.append(CRLF, 0, CRLF.length);
    queues[part] = null;
    this.connection(part).commit();
  }
}

/** Appends tokens `first` to `last`, each with a blank before it; in a plain line these are neighbours. */
function appendKeys(queue: ByteQueue, request: TextRequest, first: number, last: number): void {
  const { bytes, tokenStart, tokenEnd, isPlain } = request;
  if (isPlain) {
    // The blank before a key is right behind the word before it.
    queue.append(bytes, tokenEnd[first - 1]!, tokenEnd[last]!);
    return;
  }
  queue.append(SPACE, 0, 1);
  queue.append(bytes, tokenStart[first]!, tokenEnd[last]!);
}
