/**
 * Replies to requests whose client asked for quiet. The server was not told, so that every request has its reply; what
 * memcached would not have sent is left out here.
 */
import type { Failure, ReplySink } from "../../../../api/upstream.ts";

/** What is left out: everything (classic `noreply`), or replies with these codes (meta commands' `q`). */
export type QuietRule = "all" | readonly string[];

/** Takes what is left, and knows which reply is the right one. */
export interface QuietClient extends Required<Omit<ReplySink, "copiesReplies">> {
  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void;
}

export class QuietReplies implements ReplySink {
  readonly takesRuns: boolean;
  private readonly client: QuietClient;
  private readonly hidden: readonly Buffer[] | null;

  constructor(client: QuietClient, rule: QuietRule) {
    this.client = client;
    this.takesRuns = rule === "all";
    this.hidden = rule === "all" ? null : rule.map((code) => Buffer.from(code));
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    const isHidden = this.hidden === null || this.isHidden(this.hidden, bytes, start);
    this.client.onReplies(token, count, bytes, isHidden ? end : start, end);
  }

  accepts(token: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    return this.client.accepts(token, bytes, start, end, parts);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.client.onFailure(token, count, failure);
  }

  private isHidden(hidden: readonly Buffer[], bytes: Buffer, at: number): boolean {
    for (const code of hidden) {
      if (bytes[at] === code[0] && bytes[at + 1] === code[1]) return true;
    }
    return false;
  }
}
