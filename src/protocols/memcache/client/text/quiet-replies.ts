/**
 * Replies to requests whose client asked for quiet. The server was not told, so that every request has its reply; what
 * memcached would not have sent is left out here.
 */
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { TextReplyScanner } from "../../codec/text/reply-scanner.ts";

/** What is left out: everything (classic `noreply`), or replies with these codes (meta commands' `q`). */
export type QuietRule = "all" | readonly string[];

const scanner: TextReplyScanner = new TextReplyScanner();

export class QuietReplies implements ReplySink {
  private readonly client: Required<ReplySink>;
  private readonly hidden: readonly Buffer[] | null;

  /** @param client takes what is left, and knows which reply is the right one */
  constructor(client: Required<ReplySink>, rule: QuietRule) {
    this.client = client;
    this.hidden = rule === "all" ? null : rule.map((code) => Buffer.from(code));
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    if (this.hidden === null) {
      this.client.onReplies(token, count, bytes, end, end);
      return;
    }
    let from = start;
    for (let i = 0; i < count; i++) {
      const to = count === 1 ? end : scanner.scan(bytes, from, end);
      this.client.onReplies(token + i, 1, bytes, this.isHidden(bytes, from) ? to : from, to);
      from = to;
    }
  }

  accepts(token: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    return this.client.accepts(token, bytes, start, end, parts);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.client.onFailure(token, count, failure);
  }

  private isHidden(bytes: Buffer, at: number): boolean {
    for (const code of this.hidden!) {
      if (bytes[at] === code[0] && bytes[at + 1] === code[1]) return true;
    }
    return false;
  }
}
