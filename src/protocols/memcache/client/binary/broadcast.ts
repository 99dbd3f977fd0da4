/**
 * Collects the replies to a request that went to several servers (FLUSH, STAT) and settles the session's slot once.
 * Broadcasts are reused.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { claimReply } from "../../codec/binary/claim-reply.ts";
import { encodeReply, encodeStatistics } from "../../codec/binary/encode.ts";
import {
  AT_BODY_LENGTH,
  AT_KEY_LENGTH,
  AT_STATUS,
  HEADER_BYTES,
  isQuiet,
  LOUD,
} from "../../codec/binary/opcode.ts";
import { readUint16, readUint32 } from "../../codec/binary/read-number.ts";
import { STATUS } from "../../codec/binary/status.ts";
import { mergeStatistics, type Statistic } from "../../codec/merge-statistics.ts";

/** The request that is sent to several servers. */
export interface BroadcastRequest {
  /** As the client sent it, maybe a quiet one. */
  readonly opcode: number;
  readonly opaque: number;
  /** See RequestNotes. */
  readonly mark: number;
  /** "all": successful when all servers were. "settings", "counters": their statistics become one set. */
  readonly merge: "all" | "settings" | "counters";
}

const FREE_MAX = 64;
const NONE: Buffer = Buffer.alloc(0);
const free: Broadcast[] = [];

/** A sink for `parts` parts (tokens 0 … parts - 1), which settles `token` of `session`. */
export function takeBroadcast(
  session: ClientPort,
  token: number,
  request: BroadcastRequest,
  parts: number,
): ReplySink {
  const broadcast = free.pop() ?? new Broadcast();
  broadcast.start(session, token, request, parts);
  return broadcast;
}

class Broadcast implements ReplySink {
  readonly takesRuns = false;
  private session: ClientPort | null = null;
  private token = 0;
  private request: BroadcastRequest | null = null;
  private partsLeft = 0;
  private readonly statistics: Statistic[][] = [];
  private successes = 0;
  /** What went wrong, of the lowest part, so that it does not depend on who was first. */
  private fault: Failure | number | null = null;
  private faultPart = 0;
  private faultText = "";

  start(session: ClientPort, token: number, request: BroadcastRequest, parts: number): void {
    this.session = session;
    this.token = token;
    this.request = request;
    this.partsLeft = parts;
    this.successes = 0;
    this.fault = null;
    this.statistics.length = parts;
    for (let part = 0; part < parts; part++) this.statistics[part] = [];
  }

  onReplies(part: number, _count: number, bytes: Buffer, start: number, end: number): void {
    const status = readUint16(bytes, start + AT_STATUS);
    if (status !== STATUS.ok) {
      this.fail(part, status, bytes.toString("latin1", start + HEADER_BYTES, end));
    } else {
      this.successes++;
      if (this.request?.merge !== "all") this.statistics[part] = readStatistics(bytes, start, end);
    }
    this.partDone();
  }

  accepts(_part: number, bytes: Buffer, start: number, end: number): boolean {
    const { opcode, mark, opaque } = this.request!;
    return claimReply(bytes, start, end, LOUD[opcode]!, mark, opaque);
  }

  onFailure(part: number, _count: number, failure: Failure): void {
    this.fail(part, failure, "");
    this.partDone();
  }

  private fail(part: number, fault: Failure | number, text: string): void {
    if (this.fault !== null && this.faultPart < part) return;
    this.fault = fault;
    this.faultPart = part;
    this.faultText = text;
  }

  private partDone(): void {
    if (--this.partsLeft > 0) return;
    const session = this.session!;
    const { opcode, opaque, merge } = this.request!;
    const { token, fault } = this;
    // Statistics of the servers that are there are better than none.
    const isFailed = fault !== null && (merge === "all" || this.successes === 0);
    if (isFailed && typeof fault === "number") {
      session.reply(token, encodeReply(opcode, fault, opaque, this.faultText));
    } else if (isFailed && typeof fault === "object") {
      session.onFailure(token, 1, fault);
    } else if (merge === "all") {
      session.reply(token, isQuiet(opcode) ? NONE : encodeReply(opcode, STATUS.ok, opaque, ""));
    } else {
      const merged = mergeStatistics(merge === "settings", this.statistics);
      session.reply(token, encodeStatistics(merged, opaque));
    }
    this.release();
  }

  private release(): void {
    this.session = null;
    this.request = null;
    this.fault = null;
    this.statistics.length = 0;
    if (free.length < FREE_MAX) free.push(this);
  }
}

/** The names and values in all replies to one STAT but the last, which is empty. */
function readStatistics(bytes: Buffer, start: number, end: number): Statistic[] {
  const statistics: Statistic[] = [];
  let at = start;
  while (at < end) {
    const keyLength = readUint16(bytes, at + AT_KEY_LENGTH);
    const keyEnd = at + HEADER_BYTES + keyLength;
    const next = at + HEADER_BYTES + readUint32(bytes, at + AT_BODY_LENGTH);
    if (keyLength > 0) {
      const name = bytes.toString("latin1", at + HEADER_BYTES, keyEnd);
      statistics.push([name, bytes.toString("latin1", keyEnd, next)]);
    }
    at = next;
  }
  return statistics;
}
