/** One scanned Redis request. Reused: valid until the next scan. Borrows its bytes from the input. */

import { ACCESS, type Access, NO_TENANT, type RequestFacts } from "../../../api/request-facts.ts";
import { keptRange } from "../../../base/copy-of.ts";

const ARGUMENTS_START = 16;
const NONE: Buffer = Buffer.alloc(0);
const LF = 10;

export class RequestView implements RequestFacts {
  /** Holds the request; the received bytes themselves, or a rewritten form of them (inline requests). */
  bytes: Buffer = NONE;
  /** The request as multibulk is bytes[start, end). */
  start = 0;
  end = 0;
  /** Arguments with the command's name; 0: an empty request, which gets no reply. */
  count = 0;
  /** Argument i is bytes[start + argumentStart[i], start + argumentEnd[i]). */
  argumentStart: Int32Array = new Int32Array(ARGUMENTS_START);
  argumentEnd: Int32Array = new Int32Array(ARGUMENTS_START);

  /** Of the key that was looked at last (`key`). */
  keyStart = 0;
  keyEnd = 0;
  /** Of the request's command, when that is known. */
  access: Access = ACCESS.read;
  /** Its name, likewise. */
  commandName = "";
  readonly tenant: number = NO_TENANT;

  /** These facts, with argument i as the key. */
  key(i: number): this {
    this.keyStart = this.start + this.argumentStart[i]!;
    this.keyEnd = this.start + this.argumentEnd[i]!;
    return this;
  }

  /** Where argument i begins in `bytes`. */
  from(i: number): number {
    return this.start + this.argumentStart[i]!;
  }

  /** Where argument i ends in `bytes`. */
  to(i: number): number {
    return this.start + this.argumentEnd[i]!;
  }

  /** Where argument i begins with its length line. */
  rawFrom(i: number): number {
    if (i > 0) return this.to(i - 1) + 2;
    let at = this.start;
    while (this.bytes[at] !== LF) at++;
    return at + 1;
  }

  /** Argument i as text of its bytes. Allocates: not for the path of ordinary commands. */
  text(i: number): string {
    return this.bytes.toString("latin1", this.from(i), this.to(i));
  }

  /** Makes room for one more argument than fits now. Grows with what was received, not with what was announced. */
  grow(): void {
    const starts = new Int32Array(this.argumentStart.length * 2);
    starts.set(this.argumentStart);
    this.argumentStart = starts;
    const ends = new Int32Array(starts.length);
    ends.set(this.argumentEnd);
    this.argumentEnd = ends;
  }

  /** The request, for what takes longer than the call: with bytes of its own. There is none here then. */
  detach(): RequestView {
    const own = new RequestView();
    own.bytes = keptRange(this.bytes, this.start, this.end);
    own.end = own.bytes.length;
    own.count = this.count;
    own.argumentStart = this.argumentStart;
    own.argumentEnd = this.argumentEnd;
    own.access = this.access;
    own.commandName = this.commandName;
    this.argumentStart = new Int32Array(ARGUMENTS_START);
    this.argumentEnd = new Int32Array(ARGUMENTS_START);
    this.bytes = NONE;
    this.count = 0;
    return own;
  }

  /** Lets go of the request: an idle client pins no input, and no memory of an unusually long request. */
  release(): void {
    this.bytes = NONE;
    if (this.argumentStart.length <= 4096) return;
    this.argumentStart = new Int32Array(ARGUMENTS_START);
    this.argumentEnd = new Int32Array(ARGUMENTS_START);
  }
}
