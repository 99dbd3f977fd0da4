/**
 * What a binary session must remember of each request that it owes a reply: opcode and opaque, without which no
 * failure can be told. In step with the session's ReplyRing: a slot's number finds its note.
 */
import { PENDING_REPLIES_MAX, PENDING_REPLIES_START } from "../../../base/limits.ts";

export class RequestNotes {
  private opcodes: Uint8Array = new Uint8Array(PENDING_REPLIES_START);
  private opaques: Uint32Array = new Uint32Array(PENDING_REPLIES_START);
  private mask: number = PENDING_REPLIES_START - 1;

  /** Notes the request of slot `token`, the newest of `pending` open ones. */
  put(token: number, pending: number, opcode: number, opaque: number): void {
    if (pending > this.mask + 1) this.grow(token, pending);
    const at = token & this.mask;
    this.opcodes[at] = opcode;
    this.opaques[at] = opaque;
  }

  opcode(token: number): number {
    return this.opcodes[token & this.mask]!;
  }

  opaque(token: number): number {
    return this.opaques[token & this.mask]!;
  }

  private grow(newest: number, pending: number): void {
    const { opcodes, opaques, mask } = this;
    const size = Math.min((mask + 1) * 4, PENDING_REPLIES_MAX);
    this.opcodes = new Uint8Array(size);
    this.opaques = new Uint32Array(size);
    this.mask = size - 1;
    for (let back = 1; back < pending; back++) {
      const token = newest - back;
      this.opcodes[token & this.mask] = opcodes[token & mask]!;
      this.opaques[token & this.mask] = opaques[token & mask]!;
    }
  }
}
