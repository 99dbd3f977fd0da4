/**
 * Collects the replies to the parts of a split command and settles the session's slot once, with the merged reply.
 *
 * Neither the session nor the upstream knows that it exists: to the one it is an upstream's reply, to the other a
 * sink. Gathers are reused.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { KEYS_AT_ONCE } from "../../../../base/fairness-limits.ts";
import type { SliceQueue } from "../../../../base/slice-queue.ts";
import { PartReplies } from "../../../part-replies.ts";
import { arrayHeader, encodeInteger } from "../../codec/encode.ts";
import { endOfShortBulk, parseLength, RedisReplyScanner } from "../../codec/reply-scanner.ts";
import type { Merge } from "../../commands/command.ts";
import { MISMATCH } from "../refusals.ts";

const MINUS = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const ASTERISK = 0x2a;
const OK: Buffer = Buffer.from("+OK\r\n");
const FREE_MAX = 256;

const free: Gather[] = [];
const elements: RedisReplyScanner = new RedisReplyScanner(3);

/** A gather for `parts` parts (tokens 0 … parts - 1), which settles `token` of `session`. */
export function takeGather(
  client: GatherClient,
  token: number,
  merge: Merge,
  parts: number,
): Gather {
  const gather = free.pop() ?? new Gather();
  gather.start(client, token, merge, parts);
  return gather;
}

/** Whose reply it is. */
interface GatherClient {
  readonly session: ClientPort;
  readonly pool: { readonly slices: SliceQueue };
}

class Gather implements ReplySink {
  readonly takesRuns = false;
  readonly copiesReplies = true;
  private session: ClientPort | null = null;
  private slices: SliceQueue | null = null;
  private token = 0;
  private merge: Merge = "all_ok";
  private parts = 0;
  private partsLeft = 0;
  private sum = 0;
  /** The reply when something went wrong: that of the lowest part, so that it does not depend on who was first. */
  private fault: Buffer | null = null;
  private faultPart = 0;
  /** For "array": what is wrong with a part is told in place of each of its elements, not of all. */
  private isPerElement = false;
  // For "array": which part each key went to, and the parts' elements.
  private keys = 0;
  private partOfKey: Uint16Array = new Uint16Array(128);
  private keysOfPart: number[] = [];
  private readonly replies: PartReplies = new PartReplies();

  start({ session, pool }: GatherClient, token: number, merge: Merge, parts: number): void {
    this.session = session;
    this.slices = pool.slices;
    this.token = token;
    this.merge = merge;
    this.parts = parts;
    this.partsLeft = parts;
    this.sum = 0;
    this.fault = null;
    this.isPerElement = false;
  }

  /**
   * For "array": part number by key, and keys by part. Both are borrowed.
   * @param isPerElement what is wrong with a part is told in place of each of its elements; else the whole reply is an error
   */
  expectKeys(
    partOfKey: Uint16Array,
    keys: number,
    keysOfPart: readonly number[],
    isPerElement: boolean,
  ): void {
    this.isPerElement = isPerElement;
    if (this.partOfKey.length < keys) this.partOfKey = new Uint16Array(keys);
    for (let key = 0; key < keys; key++) this.partOfKey[key] = partOfKey[key]!;
    this.keys = keys;
    for (let part = 0; part < this.parts; part++) this.keysOfPart[part] = keysOfPart[part]!;
    this.replies.start(this.session!, this.parts);
  }

  onReplies(part: number, _count: number, bytes: Buffer, start: number, end: number): void {
    if (bytes[start] === MINUS) this.fail(part, copyOf(bytes, start, end));
    else if (this.merge === "array") this.keepArray(part, bytes, start, end);
    else if (this.merge === "sum") this.addInteger(part, bytes, start, end);
    else if (bytes[start] !== PLUS) this.fail(part, MISMATCH);
    this.partDone();
  }

  onFailure(part: number, _count: number, failure: Failure): void {
    this.fail(part, this.session!.failureReply(failure, this.token));
    this.partDone();
  }

  private fail(part: number, reply: Buffer): void {
    if (this.isPerElement) {
      const elements = Buffer.concat(new Array<Buffer>(this.keysOfPart[part]!).fill(reply));
      this.keepElements(part, elements, 0, elements.length);
      return;
    }
    if (this.fault !== null && this.faultPart < part) return;
    this.fault = reply;
    this.faultPart = part;
  }

  private keepArray(part: number, bytes: Buffer, start: number, end: number): void {
    const lineEnd = bytes.indexOf(13, start);
    const count = bytes[start] === ASTERISK ? parseLength(bytes, start + 1, lineEnd) : -1;
    if (count !== this.keysOfPart[part]) this.fail(part, MISMATCH);
    else this.keepElements(part, bytes, lineEnd + 2, end);
  }

  private keepElements(part: number, bytes: Buffer, from: number, to: number): void {
    this.replies.keep(part, bytes, from, to, this.partsLeft > 1 || this.isLarge);
  }

  private addInteger(part: number, bytes: Buffer, start: number, end: number): void {
    const value = bytes[start] === COLON ? parseLength(bytes, start + 1, end - 2) : -1;
    if (value < 0) this.fail(part, MISMATCH);
    else this.sum += value;
  }

  private get isLarge(): boolean {
    return this.keys > KEYS_AT_ONCE;
  }

  private partDone(): void {
    if (--this.partsLeft > 0) return;
    const session = this.session!;
    if (this.fault !== null) session.reply(this.token, this.fault);
    else if (this.merge === "sum") session.reply(this.token, encodeInteger(this.sum));
    else if (this.merge === "all_ok") session.reply(this.token, OK);
    else if (session.isOpen && this.isLarge) {
      this.slices!.run(this.mergeInSlices(session));
      return;
    } else if (session.isOpen) this.mergeArray(session);
    this.release();
  }

  private mergeArray(session: ClientPort): void {
    const size = this.mergedSize();
    const out = session.compose(this.token);
    const offset = out === null ? -1 : out.reserve(size);
    if (out !== null && offset >= 0) {
      this.mergeInto(out.reserved, offset, 0, this.keys);
      session.composed(size);
      return;
    }
    const reply = Buffer.allocUnsafeSlow(size);
    this.mergeInto(reply, 0, 0, this.keys);
    session.reply(this.token, reply);
  }

  private *mergeInSlices(session: ClientPort): Generator<void, void> {
    const { keys } = this;
    const reply = Buffer.allocUnsafeSlow(this.mergedSize());
    this.replies.holdMore(reply.length);
    let at = 0;
    for (let from = 0; from < keys; from += KEYS_AT_ONCE) {
      if (from > 0) yield;
      // The parts went with the client.
      if (!session.isOpen) break;
      const to = Math.min(from + KEYS_AT_ONCE, keys);
      at = this.mergeInto(reply, at, from, to);
      if (to === keys) session.reply(this.token, reply);
    }
    this.release();
  }

  /** Bytes of the reply. */
  private mergedSize(): number {
    const { from, to } = this.replies;
    let size = arrayHeader(this.keys).length;
    for (let part = 0; part < this.parts; part++) size += to[part]! - from[part]!;
    return size;
  }

  /**
   * Writes the elements of keys [from, to) in the client's order, neighbours of one part in one piece; before the first the header.
   * @returns where they end
   */
  private mergeInto(target: Buffer, offset: number, from: number, to: number): number {
    const { partOfKey, replies } = this;
    let at = offset;
    if (from === 0) at += arrayHeader(this.keys).copy(target, offset);
    let key = from;
    while (key < to) {
      const part = partOfKey[key]!;
      const bytes = replies.bytes[part]!;
      const start = replies.from[part]!;
      const partEnd = replies.to[part]!;
      let end = start;
      do {
        const next = endOfShortBulk(bytes, end, partEnd);
        end = next > 0 ? next : elements.scan(bytes, end, partEnd);
        key++;
      } while (key < to && partOfKey[key] === part);
      at += bytes.copy(target, at, start, end);
      replies.from[part] = end;
    }
    return at;
  }

  private release(): void {
    this.session = null;
    this.slices = null;
    this.fault = null;
    this.replies.release();
    if (this.partOfKey.length > 4096) this.partOfKey = new Uint16Array(128);
    if (free.length < FREE_MAX) free.push(this);
  }
}
