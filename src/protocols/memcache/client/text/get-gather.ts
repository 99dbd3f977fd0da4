/**
 * Collects the replies to the parts of a split `get` and settles the session's slot once: the values in the client's
 * order, misses left out, one END. Gathers are reused.
 */

import type { ClientPort, ReplyHolder } from "../../../../api/client-port.ts";
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { noteGarbage } from "../../../../base/garbage.ts";
import { PartReplies } from "../../../part-replies.ts";
import { END } from "../../codec/text/replies.ts";
import { endOfValues } from "../../codec/text/reply-fits.ts";
import { TextReplyScanner } from "../../codec/text/reply-scanner.ts";
import type { TextRequest } from "../../codec/text/text-request.ts";
import { blockEndOf } from "../../codec/text/value-block.ts";

const NONE: Buffer = Buffer.alloc(0);
const FREE_MAX = 256;
const KEYS_START = 128;
const KEYS_KEPT_MAX = 512;
const KEY_BYTES_START = 512;
const KEY_BYTES_KEPT_MAX = 4096;
const E = 0x45;
const N = 0x4e;

const free: GetGather[] = [];
const scanner: TextReplyScanner = new TextReplyScanner();

/** Ranges of parts' replies in the order of the merged one. Scratch space: a reply is merged in one go. */
let pieceBytes: Buffer[] = [];
let pieceFrom: Int32Array = new Int32Array(KEYS_START);
let pieceTo: Int32Array = new Int32Array(KEYS_START);
let pieces = 0;

/** @param deadIsMiss what a server that is not available does not have counts as a miss */
export function takeGetGather(session: ClientPort, token: number, deadIsMiss: boolean): GetGather {
  const gather = free.pop() ?? new GetGather();
  gather.start(session, token, deadIsMiss);
  return gather;
}

export class GetGather implements ReplySink, ReplyHolder {
  readonly takesRuns = false;
  readonly copiesReplies = true;
  private session: ClientPort | null = null;
  private token = 0;
  private deadIsMiss = false;
  private partsLeft = 0;
  /** The reply when something went wrong: that of the lowest part, so that it does not depend on who was first. */
  private fault: Buffer | null = null;
  private faultPart = 0;
  // The request's keys, copied, and the part that each went to.
  private keyBytes: Buffer = NONE;
  private keys = 0;
  /** One part has all of the keys: then its reply is the merged one, and nothing is put in order. */
  private isWhole = false;
  private keyStart: Int32Array = new Int32Array(KEYS_START);
  private keyEnd: Int32Array = new Int32Array(KEYS_START);
  private partOfKey: Int32Array = new Int32Array(KEYS_START);
  /** By key: bytes of its value with its line, once its part is answered; 0: there is none. */
  private valueBytes: Int32Array = new Int32Array(KEYS_START);
  private readonly replies: PartReplies = new PartReplies();
  /** Bytes of `keyBytes`, if the session knows of them. */
  private held = 0;

  start(session: ClientPort, token: number, deadIsMiss: boolean): void {
    this.session = session;
    this.token = token;
    this.deadIsMiss = deadIsMiss;
    this.fault = null;
    this.held = 0;
  }

  /**
   * The keys are `request`'s from token `firstKey` on.
   * @param partOfKey has the part of each; borrowed
   * @param isWhole there is one part, which has all of them
   */
  expect(
    request: TextRequest,
    firstKey: number,
    partOfKey: Int32Array,
    parts: number,
    isWhole: boolean,
  ): void {
    const keys = request.count - firstKey;
    if (this.keyStart.length < keys) {
      this.keyStart = new Int32Array(keys);
      this.keyEnd = new Int32Array(keys);
      this.partOfKey = new Int32Array(keys);
      this.valueBytes = new Int32Array(keys);
    }
    const { keyStart, keyEnd } = this;
    const { tokenStart, tokenEnd } = request;
    const first = tokenStart[firstKey]!;
    for (let key = 0; key < keys; key++) {
      keyStart[key] = tokenStart[firstKey + key]! - first;
      keyEnd[key] = tokenEnd[firstKey + key]! - first;
    }
    if (!isWhole) {
      for (let key = 0; key < keys; key++) {
        this.partOfKey[key] = partOfKey[key]!;
        this.valueBytes[key] = 0;
      }
    }
    this.keys = keys;
    this.isWhole = isWhole;
    this.partsLeft = parts;
    this.replies.start(this.session!, parts);
    this.copyKeys(request.bytes, first);
  }

  /** Into a buffer that is used again and again: the keys themselves would pin the chunk that they came in. */
  private copyKeys(bytes: Buffer, first: number): void {
    const { keys, keyEnd } = this;
    if (keys === 0) return;
    const size = keyEnd[keys - 1]!;
    if (this.keyBytes.length < size) {
      this.keyBytes = Buffer.allocUnsafeSlow(Math.max(size, KEY_BYTES_START));
    }
    bytes.copy(this.keyBytes, 0, first, first + size);
    if (this.keyBytes.length <= KEY_BYTES_KEPT_MAX) return;
    this.held = this.keyBytes.length;
    this.session!.hold(this, this.held);
  }

  drop(): void {
    this.held = 0;
    this.forgetKeys();
  }

  /** Finds each key's value in the reply to `part`: there may be no others, and they come in the order of the keys. */
  accepts(part: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    const { keys, keyBytes, keyStart, keyEnd, partOfKey, valueBytes, isWhole } = this;
    const stop = endOfValues(bytes, start, end);
    // The client has left, and its keys are forgotten.
    if (!this.session!.isOpen) return stop >= 0;
    let left = parts;
    let at = start;
    for (let key = 0; key < keys && left > 0; key++) {
      if (!isWhole && partOfKey[key] !== part) continue;
      const next = blockEndOf(bytes, at, stop, keyBytes, keyStart[key]!, keyEnd[key]!);
      if (next === 0) continue;
      if (!isWhole) valueBytes[key] = next - at;
      at = next;
      left--;
    }
    return at === stop;
  }

  onReplies(part: number, count: number, bytes: Buffer, start: number, end: number): void {
    let from = start;
    for (let i = 0; i < count; i++) {
      const to = count === 1 ? end : scanner.scan(bytes, from, end);
      this.onPart(part + i, bytes, from, to);
      from = to;
    }
  }

  onFailure(part: number, count: number, failure: Failure): void {
    for (let i = 0; i < count; i++) {
      if (!this.deadIsMiss) {
        this.fail(part + i, this.session!.failureReply(failure, this.token));
      }
      this.partDone();
    }
  }

  private onPart(part: number, bytes: Buffer, start: number, end: number): void {
    const stop = endOfValues(bytes, start, end);
    if (bytes[stop] === E && bytes[stop + 1] === N) {
      this.replies.keep(part, bytes, start, stop, this.partsLeft > 1);
    } else {
      // An error, maybe after some values.
      this.fail(part, copyOf(bytes, stop, end));
    }
    this.partDone();
  }

  private fail(part: number, reply: Buffer): void {
    if (this.fault !== null && this.faultPart < part) return;
    this.fault = reply;
    this.faultPart = part;
  }

  private partDone(): void {
    if (--this.partsLeft > 0) return;
    const session = this.session!;
    if (session.isOpen) {
      if (this.fault !== null) session.reply(this.token, this.fault);
      else this.deliver(session);
    }
    this.release();
  }

  /** Orders the values as the client did. */
  private findPieces(): void {
    const { keys, partOfKey, valueBytes, replies } = this;
    if (pieceFrom.length < keys) {
      pieceFrom = new Int32Array(keys);
      pieceTo = new Int32Array(keys);
    }
    pieces = 0;
    if (this.isWhole) {
      pieceBytes[0] = replies.bytes[0]!;
      pieceFrom[0] = replies.from[0]!;
      pieceTo[0] = replies.to[0]!;
      pieces = replies.from[0]! < replies.to[0]! ? 1 : 0;
      return;
    }
    let lastPart = -1;
    for (let key = 0; key < keys; key++) {
      if (valueBytes[key] === 0) continue;
      const part = partOfKey[key]!;
      const from = replies.from[part]!;
      const end = from + valueBytes[key]!;
      replies.from[part] = end;
      if (part === lastPart) {
        pieceTo[pieces - 1] = end;
        continue;
      }
      lastPart = part;
      pieceBytes[pieces] = replies.bytes[part]!;
      pieceFrom[pieces] = from;
      pieceTo[pieces++] = end;
    }
  }

  private deliver(session: ClientPort): void {
    this.findPieces();
    let size = END.length;
    for (let i = 0; i < pieces; i++) size += pieceTo[i]! - pieceFrom[i]!;
    const out = session.compose(this.token);
    if (out !== null) {
      const offset = out.reserve(size);
      if (offset >= 0) {
        copyPieces(out.reserved, offset);
      } else {
        // Large: then values need not be copied.
        for (let i = 0; i < pieces; i++) out.appendKept(pieceBytes[i]!, pieceFrom[i]!, pieceTo[i]!);
        out.append(END, 0, END.length);
      }
      session.composed(size);
      return;
    }
    const reply = Buffer.allocUnsafeSlow(size);
    copyPieces(reply, 0);
    session.reply(this.token, reply);
  }

  private release(): void {
    if (this.held > 0) this.session!.letGo(this, this.held);
    this.session = null;
    this.fault = null;
    this.replies.release();
    this.forgetKeys();
    if (pieces <= KEYS_START) pieceBytes.fill(NONE, 0, pieces);
    else pieceBytes = [];
    if (this.keyStart.length > KEYS_KEPT_MAX) return;
    if (free.length < FREE_MAX) free.push(this);
  }

  private forgetKeys(): void {
    if (this.keyBytes.length <= KEY_BYTES_KEPT_MAX) return;
    noteGarbage(this.keyBytes.length);
    this.keyBytes = NONE;
  }
}

function copyPieces(target: Buffer, offset: number): void {
  let at = offset;
  for (let i = 0; i < pieces; i++) {
    at += pieceBytes[i]!.copy(target, at, pieceFrom[i], pieceTo[i]);
  }
  END.copy(target, at);
}
