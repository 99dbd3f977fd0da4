/**
 * Takes the replies to quiet requests, which went to the server as loud ones so that each gets a reply, and gives the
 * client what memcached would have sent: a value but no miss, an error but no success.
 *
 *   servers' replies   | hit | miss | miss | hit | error |
 *   client's bytes     | hit |              | hit | error |      slots settled: all five
 */
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import {
  AT_BODY_LENGTH,
  AT_OPCODE,
  AT_STATUS,
  HEADER_BYTES,
  isRead,
  QUIET,
} from "../../codec/binary/opcode.ts";
import { readUint16, readUint32 } from "../../codec/binary/read-number.ts";
import { STATUS } from "../../codec/binary/status.ts";

/** Takes what is left, and knows which reply is the right one. */
export interface QuietClient extends Required<Omit<ReplySink, "copiesReplies">> {
  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void;
}

export class QuietReplies implements ReplySink {
  readonly takesRuns = true;
  private readonly client: QuietClient;

  constructor(client: QuietClient) {
    this.client = client;
  }

  /** One range for all slots, as long as what is shown lies in one piece. */
  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    const { client } = this;
    let slots = 0;
    let settled = 0;
    let from = start;
    let to = start;
    for (let at = start; at < end; slots++) {
      const next = at + HEADER_BYTES + readUint32(bytes, at + AT_BODY_LENGTH);
      if (!isExpected(bytes, at)) {
        makeQuiet(bytes, at);
        if (to > from && to < at) {
          client.onReplies(token + settled, slots - settled, bytes, from, to);
          settled = slots;
          from = at;
        } else if (to === from) {
          from = at;
        }
        to = next;
      }
      at = next;
    }
    client.onReplies(token + settled, count - settled, bytes, from, to);
  }

  accepts(token: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    return this.client.accepts(token, bytes, start, end, parts);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.client.onFailure(token, count, failure);
  }
}

/** A quiet request says nothing of this reply. */
export function isExpected(bytes: Buffer, at: number): boolean {
  const status = readUint16(bytes, at + AT_STATUS);
  return status === (isRead(bytes[at + AT_OPCODE]!) ? STATUS.notFound : STATUS.ok);
}

/** Puts the client's opcode back. The bytes were handed to this sink alone, and no other code has seen them yet. */
export function makeQuiet(bytes: Buffer, at: number): void {
  bytes[at + AT_OPCODE] = QUIET[bytes[at + AT_OPCODE]!]!;
}
