/**
 * Splits a `get` (gets, gat, gats) with several keys into one request per server.
 *
 *   get a b c d   →   server 1: get a c      server 2: get b d
 *
 * A long `gat` becomes several requests per server: servers hang up on long lines, unless they begin with get or gets.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { Link, Route, Upstream } from "../../../../api/upstream.ts";
import { MEMCACHE_SENT_LINE_BYTES_MAX } from "../../../../base/limits.ts";
import type { TextRequest } from "../../codec/text/text-request.ts";
import { VARIANT_TEXT } from "../connection-kinds.ts";
import type { MemcachePool } from "../memcache-pool.ts";
import { takeGetGather } from "./get-gather.ts";

/** `plan` found a key whose server is not there. */
export const NO_SERVER = -1;
/** Of a key that counts as a miss. */
const NO_PART = -1;

const NONE: Buffer = Buffer.alloc(0);
const CR = 13;
const LF = 10;
const SPACE = 0x20;
/** Below this many bytes a loop is faster than a native copy. */
const SHORT_COPY_BYTES = 40;
const LINES_BYTES_START: number = 64 * 1024;

// Scratch space shared by all sessions: a request is split in one go.
let partOfKey: Int32Array = new Int32Array(1024);
/** By upstream id: its newest part's number + 1 in the request at hand, or 0. All zero between requests. */
let partOfUpstream: Int32Array = new Int32Array(64);
/** By part. */
const upstreams: Upstream[] = [];
/** By part: bytes of its line, the end apart. */
const lineBytes: number[] = [];
/** The parts' lines, one behind the other; by part: how far its line is written. */
let lines: Buffer = Buffer.allocUnsafeSlow(LINES_BYTES_START);
const written: number[] = [];
/** What each line begins with: name, and time of gat. */
let headBytes: Buffer = NONE;
let headStart = 0;
let headEnd = 0;

export class MultiGet {
  private readonly session: ClientPort;
  private readonly pool: Pick<MemcachePool, "deadServer">;

  constructor(session: ClientPort, pool: Pick<MemcachePool, "deadServer">) {
    this.session = session;
    this.pool = pool;
  }

  private get deadIsMiss(): boolean {
    return this.pool.deadServer === "miss";
  }

  /** Finds the server of each key, from token `firstKey` on. @returns the number of parts, or NO_SERVER */
  plan(request: TextRequest, firstKey: number, route: Route): number {
    const { count, tokenStart, tokenEnd } = request;
    const keys = count - firstKey;
    if (partOfKey.length < keys) partOfKey = new Int32Array(keys * 2);
    findHead(request, firstKey);
    const headLength = headEnd - headStart;
    const isBounded = firstKey === 2;
    upstreams.length = 0;
    let hasServers = true;
    for (let key = 0; key < keys; key++) {
      const start = tokenStart[firstKey + key]!;
      const end = tokenEnd[firstKey + key]!;
      const upstream = route.pick(request.key(firstKey + key));
      if (upstream === null) {
        partOfKey[key] = NO_PART;
        if (this.deadIsMiss) continue;
        hasServers = false;
        break;
      }
      if (upstream.id >= partOfUpstream.length) partOfUpstream = grown(partOfUpstream, upstream.id);
      let part = partOfUpstream[upstream.id]! - 1;
      const keyBytes = end - start + 1;
      if (part < 0 || (isBounded && lineBytes[part]! + keyBytes > MEMCACHE_SENT_LINE_BYTES_MAX)) {
        part = upstreams.length;
        upstreams.push(upstream);
        lineBytes[part] = headLength;
        partOfUpstream[upstream.id] = part + 1;
      }
      lineBytes[part]! += keyBytes;
      partOfKey[key] = part;
    }
    for (const upstream of upstreams) partOfUpstream[upstream.id] = 0;
    headBytes = NONE;
    return hasServers ? upstreams.length : NO_SERVER;
  }

  /** The connection of part number `part` of the request that was planned last. */
  connection(part: number): Link {
    return upstreams[part]!.connection(this.session.lane, VARIANT_TEXT);
  }

  /** Sends the parts of the request that was planned last; their merged reply settles `token`. */
  send(request: TextRequest, firstKey: number, token: number): void {
    const parts = upstreams.length;
    const gather = takeGetGather(this.session, token, this.deadIsMiss);
    const isWhole = isOneLine(request);
    gather.expect(request, firstKey, partOfKey, parts, isWhole);
    if (isWhole) {
      const connection = this.connection(0);
      if (connection.refusal === null) {
        connection.begin(gather, 0).append(request.bytes, request.start, request.end);
        connection.commit();
      } else {
        gather.onFailure(0, 1, connection.refusal);
      }
      return;
    }
    findHead(request, firstKey);
    writeLines(request, firstKey);
    headBytes = NONE;
    for (let part = 0, start = 0; part < parts; part++) {
      const connection = this.connection(part);
      const end = start + lineBytes[part]! + 2;
      if (connection.refusal === null) {
        connection.begin(gather, part).append(lines, start, end);
        connection.commit();
      } else {
        gather.onFailure(part, 1, connection.refusal);
      }
      start = end;
    }
    if (lines.length > LINES_BYTES_START) lines = Buffer.allocUnsafeSlow(LINES_BYTES_START);
  }
}

/** All keys go to one server, whose line would be the client's own: it need not be written anew. */
function isOneLine({ line, isPlain, start, end }: TextRequest): boolean {
  return upstreams.length === 1 && line === null && isPlain && lineBytes[0]! + 2 === end - start;
}

/** The same, with room for `index`. Servers that have left count, too: their numbers are not used again. */
function grown(array: Int32Array, index: number): Int32Array {
  const larger = new Int32Array(2 * (index + 1));
  larger.set(array);
  return larger;
}

function findHead({ line, bytes, tokenStart, tokenEnd }: TextRequest, firstKey: number): void {
  if (line === null) {
    headBytes = bytes;
    headStart = tokenStart[0]!;
    headEnd = tokenEnd[firstKey - 1]!;
  } else {
    // The rewritten line has all keys; its first words are what is wanted.
    headBytes = line;
    headStart = 0;
    headEnd = line.indexOf(SPACE);
    if (firstKey === 2) headEnd = line.indexOf(SPACE, headEnd + 1);
  }
}

/** Writes every part's line to `lines`. */
function writeLines(request: TextRequest, firstKey: number): void {
  const { bytes, count, tokenStart, tokenEnd } = request;
  const parts = upstreams.length;
  let size = 0;
  for (let part = 0; part < parts; part++) {
    written[part] = size;
    size += lineBytes[part]! + 2;
  }
  if (lines.length < size) lines = Buffer.allocUnsafeSlow(size);
  for (let part = 0; part < parts; part++) {
    written[part]! += headBytes.copy(lines, written[part], headStart, headEnd);
  }
  for (let key = firstKey; key < count; key++) {
    const part = partOfKey[key - firstKey]!;
    if (part === NO_PART) continue;
    const at = written[part]!;
    lines[at] = SPACE;
    written[part] = copyKey(bytes, tokenStart[key]!, tokenEnd[key]!, at + 1);
  }
  for (let part = 0; part < parts; part++) {
    lines[written[part]!] = CR;
    lines[written[part]! + 1] = LF;
  }
}

/** Copies bytes[start, end) to `at` of `lines`. @returns where the copy ends */
function copyKey(bytes: Buffer, start: number, end: number, at: number): number {
  if (end - start > SHORT_COPY_BYTES) return at + bytes.copy(lines, at, start, end);
  let to = at;
  for (let from = start; from < end; from++) lines[to++] = bytes[from]!;
  return to;
}
