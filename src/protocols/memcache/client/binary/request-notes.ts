/**
 * What a binary session must remember of each request that it owes a reply: opcode and opaque, without which no
 * failure can be told, and the mark that the request bears on its way to a server in place of the opaque. In step with the
 * session's ReplyRing: a slot's number finds its note.
 *
 * Clients choose opaques as they like, many the same for all requests. Marks differ, so that a reply tells what it answers.
 */
import { PENDING_REPLIES_MAX, PENDING_REPLIES_START } from "../../../../base/limits.ts";

/** Of all sessions, because they share connections. Wraps in the arrays that it is put into. */
let marks = 0;

export class RequestNotes {
  private opcodes: Uint8Array = new Uint8Array(PENDING_REPLIES_START);
  private opaques: Uint32Array = new Uint32Array(PENDING_REPLIES_START);
  private marks: Uint32Array = new Uint32Array(PENDING_REPLIES_START);
  private mask: number = PENDING_REPLIES_START - 1;

  /** Notes the request of slot `token`, the newest of `pending` open ones. */
  put(token: number, pending: number, opcode: number, opaque: number): void {
    if (pending > this.mask + 1) this.grow(token, pending);
    const at = token & this.mask;
    this.opcodes[at] = opcode;
    this.opaques[at] = opaque;
    this.marks[at] = ++marks;
  }

  opcode(token: number): number {
    return this.opcodes[token & this.mask]!;
  }

  opaque(token: number): number {
    return this.opaques[token & this.mask]!;
  }

  /** What the request has in place of its opaque. */
  mark(token: number): number {
    return this.marks[token & this.mask]!;
  }

  private grow(newest: number, pending: number): void {
    const { opcodes, opaques, marks: before, mask } = this;
    const size = Math.min((mask + 1) * 4, PENDING_REPLIES_MAX);
    this.opcodes = new Uint8Array(size);
    this.opaques = new Uint32Array(size);
    this.marks = new Uint32Array(size);
    this.mask = size - 1;
    for (let back = 1; back < pending; back++) {
      const token = newest - back;
      this.opcodes[token & this.mask] = opcodes[token & mask]!;
      this.opaques[token & this.mask] = opaques[token & mask]!;
      this.marks[token & this.mask] = before[token & mask]!;
    }
  }
}
