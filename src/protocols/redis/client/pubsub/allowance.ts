/** How much all clients of one pool in one worker together may be subscribed to. */
import { PATTERNS_MAX, SUBSCRIBED_BYTES_MAX, SUBSCRIPTIONS_MAX } from "../../../../base/limits.ts";
import { encodeError } from "../../codec/encode.ts";
import type { Kind } from "./kinds.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

const TOTAL_HINT = "unsubscribe from some, or run the proxy with more workers";

const TOO_MANY: Buffer = refusal(`${SUBSCRIPTIONS_MAX} subscriptions of all clients`, TOTAL_HINT);
const TOO_MANY_PATTERNS: Buffer = refusal(`${PATTERNS_MAX} patterns of all clients`, TOTAL_HINT);
const TOO_LONG: Buffer = refusal(
  `${SUBSCRIBED_BYTES_MAX} bytes of channel names of all clients`,
  TOTAL_HINT,
);

/** The error that says that `limit` is reached, and what helps. */
export function refusal(limit: string, hint: string): Buffer {
  return encodeError(`ERR the proxy's limit of ${limit} is reached; ${hint}`);
}

/** What all clients of one pool in one worker are subscribed to. Clients that come from another process are always let in. */
export class Allowance {
  /** Topics' members, of all shared subscriptions. */
  subscriptions = 0;
  /** Topics that are patterns. */
  private patterns = 0;
  /** Names of topics. */
  private bytes = 0;

  onCreated({ kind, name }: Topic): void {
    this.bytes += name.length;
    if (kind === "pattern") this.patterns++;
  }

  onForgotten({ kind, name }: Topic): void {
    this.bytes -= name.length;
    if (kind === "pattern") this.patterns--;
  }

  /** Why there may not be subscriptions to `names` as well; null: there may. */
  refusalFor(topics: TopicTable, kind: Kind, names: readonly string[]): Buffer | null {
    if (this.subscriptions + names.length > SUBSCRIPTIONS_MAX) return TOO_MANY;
    let { patterns, bytes } = this;
    for (const name of names) {
      if (topics.find(kind, name) !== undefined) continue;
      bytes += name.length;
      if (kind === "pattern") patterns++;
    }
    if (bytes > SUBSCRIBED_BYTES_MAX) return TOO_LONG;
    return patterns > PATTERNS_MAX ? TOO_MANY_PATTERNS : null;
  }
}
