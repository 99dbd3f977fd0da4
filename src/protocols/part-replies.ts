/**
 * The replies to the parts of one split command, until the last of them has come: they are referred to where they lie, and copied only if
 * parts are missing at the end of the turn. Used again for one command after the other.
 */
import type { ClientPort, ReplyHolder } from "../api/client-port.ts";
import { noteBorrowed } from "../base/byte-use.ts";
import { releaseCopyBlock, takeCopyBlock } from "../base/copy-blocks.ts";
import type { Flushable } from "../base/turn.ts";

const NONE: Buffer = Buffer.alloc(0);

export class PartReplies implements ReplyHolder, Flushable {
  isMarked = false;
  // By part: the range that is left to merge; who merges may move its start. Empty at first.
  readonly bytes: Buffer[] = [];
  readonly from: number[] = [];
  readonly to: number[] = [];
  /** By part: its bytes are not this object's own, and change after the turn. */
  private readonly borrowed: boolean[] = [];
  /** What copies of parts lie in. */
  private readonly copies: Buffer[] = [];
  private session: ClientPort | null = null;
  private parts = 0;
  /** Bytes of `copies`, which the session knows of. */
  private held = 0;

  start(session: ClientPort, parts: number): void {
    this.session = session;
    this.parts = parts;
    for (let part = 0; part < parts; part++) this.put(part, NONE, 0, 0, false);
  }

  /** @param isMoreToCome not all parts have come: then the range may have to be copied at the end of the turn */
  keep(part: number, bytes: Buffer, start: number, end: number, isMoreToCome: boolean): void {
    const session = this.session!;
    if (!session.isOpen || start === end) return;
    this.put(part, bytes, start, end, isMoreToCome);
    if (!isMoreToCome) return;
    noteBorrowed();
    session.turn.mark(this);
  }

  /** The turn ends, maybe after this was released and started again. */
  flush(): void {
    const { session } = this;
    if (session === null || !session.isOpen) return;
    let length = 0;
    for (let part = 0; part < this.parts; part++) {
      if (this.borrowed[part]) length += this.to[part]! - this.from[part]!;
    }
    if (length > 0) this.copyBorrowed(session, length);
  }

  /** @param length of all parts that are borrowed, which lie one behind the other from now on */
  private copyBorrowed(session: ClientPort, length: number): void {
    const copies = takeCopyBlock(length);
    let at = 0;
    for (let part = 0; part < this.parts; part++) {
      if (!this.borrowed[part]) continue;
      const start = at;
      at += this.bytes[part]!.copy(copies, at, this.from[part]!, this.to[part]!);
      this.put(part, copies, start, at, false);
    }
    this.copies.push(copies);
    this.held += copies.length;
    session.hold(this, copies.length);
  }

  /** What is made of them takes so many bytes, until the end. */
  holdMore(bytes: number): void {
    this.held += bytes;
    this.session!.hold(this, bytes);
  }

  drop(): void {
    this.held = 0;
    this.forget();
  }

  /** Nothing of the command is needed any more. */
  release(): void {
    if (this.held > 0) this.session!.letGo(this, this.held);
    this.held = 0;
    this.session = null;
    this.forget();
    this.parts = 0;
  }

  private forget(): void {
    for (let part = 0; part < this.parts; part++) this.put(part, NONE, 0, 0, false);
    for (let i = 0; i < this.copies.length; i++) releaseCopyBlock(this.copies[i]!);
    this.copies.length = 0;
  }

  private put(part: number, bytes: Buffer, from: number, to: number, isBorrowed: boolean): void {
    this.bytes[part] = bytes;
    this.from[part] = from;
    this.to[part] = to;
    this.borrowed[part] = isBorrowed;
  }
}
