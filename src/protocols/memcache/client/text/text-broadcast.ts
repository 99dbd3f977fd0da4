/**
 * Collects the replies to a request that went to all servers (flush_all, stats) and settles the session's slot once.
 * Such requests are rare: nothing is reused.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { mergeStatistics, type Statistic } from "../../codec/merge-statistics.ts";
import { MISMATCH, SILENT } from "../../codec/text/replies.ts";
import { replyFits } from "../../codec/text/reply-fits.ts";

/** "same": all servers must say the same. "settings", "counters": their statistics become one set. */
export type BroadcastMerge = "same" | "settings" | "counters";

export interface BroadcastRequest {
  readonly merge: BroadcastMerge;
  readonly parts: number;
  /** See SHAPE. */
  readonly shape: number;
  /** The client wants no reply. */
  readonly isQuiet: boolean;
}

export class TextBroadcast implements ReplySink {
  readonly takesRuns = false;
  private readonly session: ClientPort;
  private readonly token: number;
  private readonly request: BroadcastRequest;
  private partsLeft: number;
  private readonly replies: (Buffer | null)[];
  private failure: Failure | null = null;

  /** Settles slot `token` of `session` when the parts 0 … parts - 1 (their tokens) are answered. */
  constructor(session: ClientPort, token: number, request: BroadcastRequest) {
    this.session = session;
    this.token = token;
    this.request = request;
    this.partsLeft = request.parts;
    this.replies = new Array(request.parts).fill(null);
  }

  onReplies(part: number, _count: number, bytes: Buffer, start: number, end: number): void {
    this.replies[part] = copyOf(bytes, start, end);
    this.partDone();
  }

  accepts(_part: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    return parts === 0 && replyFits(this.request.shape, bytes, start, end);
  }

  onFailure(_part: number, _count: number, failure: Failure): void {
    this.failure ??= failure;
    this.partDone();
  }

  private partDone(): void {
    if (--this.partsLeft > 0) return;
    const { session, token, failure } = this;
    const replies = this.replies.filter((reply) => reply !== null);
    const isSame = this.request.merge === "same";
    // Statistics of the servers that are there are better than none.
    if (failure !== null && (isSame || replies.length === 0)) session.onFailure(token, 1, failure);
    else if (this.request.isQuiet) session.reply(token, SILENT);
    else session.reply(token, isSame ? worst(replies) : this.merged(replies));
  }

  private merged(replies: readonly Buffer[]): Buffer {
    const lists = replies.map(readStatistics);
    const servers = lists.filter((list) => list !== null);
    if (servers.length < lists.length) return replies[lists.indexOf(null)] ?? MISMATCH;
    const merged = mergeStatistics(this.request.merge === "settings", servers);
    const lines = merged.map(([name, value]) => `STAT ${name} ${value}\r\n`);
    return Buffer.from(`${lines.join("")}END\r\n`, "latin1");
  }
}

/** The reply of the first server that does not agree: a refusal for the most part. */
function worst(replies: readonly Buffer[]): Buffer {
  const isError = (reply: Buffer): boolean => /^(ERROR|\w+_ERROR)/.test(reply.toString("latin1"));
  return replies.find(isError) ?? replies[0] ?? MISMATCH;
}

/** The lines of one server's reply, or null: it is none of this kind. */
function readStatistics(reply: Buffer): Statistic[] | null {
  const lines = reply.toString("latin1").split("\r\n");
  if (lines.pop() !== "" || lines.pop() !== "END") return null;
  const statistics: Statistic[] = [];
  for (const text of lines) {
    const found = /^STAT (\S+) ?(.*)$/.exec(text);
    if (found === null) return null;
    statistics.push([found[1]!, found[2]!]);
  }
  return statistics;
}
