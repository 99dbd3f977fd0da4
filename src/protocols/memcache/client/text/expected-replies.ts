/**
 * What a text session knows of the replies that servers owe it: to which kind of command each belongs, and to which key. In
 * step with the session's ReplyRing: a slot's number finds its note.
 */
import { PENDING_REPLIES_MAX, PENDING_REPLIES_START } from "../../../../base/limits.ts";
import {
  endOfValues,
  isMetaShape,
  replyFits,
  SHAPE,
  shapeOf,
} from "../../codec/text/reply-fits.ts";
import type { TextRequest } from "../../codec/text/text-request.ts";
import { checkOf } from "../../codec/text/word-check.ts";
import { flagsIn, HAS_KEY, HAS_OPAQUE, isAboutKey, opaqueOf, wantsKey } from "./meta-flags.ts";

const V = 0x56;
const H = 0x48;
const M = 0x4d;
const SPACE = 0x20;
/** Beside a shape. */
const KEY_WANTED = 0x80;
/** "VALUE " */
const PREFIX_BYTES = 6;

export class ExpectedReplies {
  // Most sessions of a large crowd have never asked for anything.
  private shapes: Uint8Array = new Uint8Array(0);
  private keyLengths: Uint8Array = new Uint8Array(0);
  private keys: Int32Array = new Int32Array(0);
  /** 0: the request has no opaque. */
  private opaques: Int32Array = new Int32Array(0);
  private mask = -1;

  /**
   * Notes `request`, which names its only key as token number `key`.
   * @param pending open slots, of which `token` is the newest
   */
  put(token: number, pending: number, request: TextRequest, key: number): void {
    if (pending > this.mask + 1) this.grow(token, pending);
    const { bytes, tokenStart, tokenEnd, decodedKey } = request;
    const start = tokenStart[key]!;
    const end = tokenEnd[key]!;
    const at = token & this.mask;
    const shape = shapeOf(request.command.kind);
    this.shapes[at] = isMetaShape(shape) && wantsKey(request) ? shape | KEY_WANTED : shape;
    this.keyLengths[at] = end - start;
    this.keys[at] =
      decodedKey === null ? checkOf(bytes, start, end) : checkOf(decodedKey, 0, decodedKey.length);
    this.opaques[at] = isMetaShape(shape) ? opaqueOf(request) : 0;
  }

  /** See ReplySink. */
  accepts(token: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    const at = token & this.mask;
    const shape = this.shapes[at]! & ~KEY_WANTED;
    if (parts > 0) {
      if (shape !== SHAPE.values || parts > 1 || bytes[start] !== V) return false;
      const keyStart = start + PREFIX_BYTES;
      const keyEnd = keyStart + this.keyLengths[at]!;
      const isKey = bytes[keyEnd] === SPACE && checkOf(bytes, keyStart, keyEnd) === this.keys[at];
      return isKey && endOfValues(bytes, start, end) > start;
    }
    if (!replyFits(shape, bytes, start, end)) return false;
    if (isMetaShape(shape)) {
      const found = flagsIn(bytes, start, end, this.keys[at]!, this.opaques[at]!);
      // Old servers leave both out where nothing is got.
      const mustHaveAll = bytes[start] === V || (shape === SHAPE.metaGet && bytes[start] === H);
      return found >= 0 && (!mustHaveAll || (this.wanted(at) & ~found) === 0);
    }
    const isAbout = shape === SHAPE.metaDebug && bytes[start] === M;
    return !isAbout || isAboutKey(bytes, start, end, this.keys[at]!);
  }

  /** What the request at this place wants back. */
  private wanted(at: number): number {
    const key = (this.shapes[at]! & KEY_WANTED) === 0 ? 0 : HAS_KEY;
    return this.opaques[at] === 0 ? key : key | HAS_OPAQUE;
  }

  private grow(newest: number, pending: number): void {
    const { shapes, keyLengths, keys, opaques, mask } = this;
    let size = PENDING_REPLIES_START;
    while (size < pending) size *= 4;
    size = Math.min(size, PENDING_REPLIES_MAX);
    this.shapes = new Uint8Array(size);
    this.keyLengths = new Uint8Array(size);
    this.keys = new Int32Array(size);
    this.opaques = new Int32Array(size);
    this.mask = size - 1;
    for (let back = 1; back < pending; back++) {
      const token = newest - back;
      const from = token & mask;
      const to = token & this.mask;
      this.shapes[to] = shapes[from]!;
      this.keyLengths[to] = keyLengths[from]!;
      this.keys[to] = keys[from]!;
      this.opaques[to] = opaques[from]!;
    }
  }
}
