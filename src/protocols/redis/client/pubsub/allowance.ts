/** How much clients may be subscribed to: each of them, and all of one pool in one worker together. */
import {
  PATTERNS_MAX,
  PATTERNS_PER_CLIENT_MAX,
  SUBSCRIBE_NAMES_MAX,
  SUBSCRIBED_BYTES_MAX,
  SUBSCRIBED_BYTES_PER_CLIENT_MAX,
  SUBSCRIPTIONS_MAX,
  SUBSCRIPTIONS_PER_CLIENT_MAX,
} from "../../../../base/limits.ts";
import { encodeError } from "../../codec/encode.ts";
import type { Kind } from "./kinds.ts";
import type { Names } from "./names.ts";
import type { Subscriber } from "./subscriber.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

const CLIENT_HINT = "unsubscribe from some, or use more connections";
const TOTAL_HINT = "unsubscribe from some, or run the proxy with more workers";

const TOO_MANY_OF_CLIENT: Buffer = refusal(
  `${SUBSCRIPTIONS_PER_CLIENT_MAX} subscriptions of one client`,
  CLIENT_HINT,
);
const TOO_MANY_PATTERNS_OF_CLIENT: Buffer = refusal(
  `${PATTERNS_PER_CLIENT_MAX} patterns of one client`,
  CLIENT_HINT,
);
const TOO_LONG_OF_CLIENT: Buffer = refusal(
  `${SUBSCRIBED_BYTES_PER_CLIENT_MAX} bytes of channel names of one client`,
  CLIENT_HINT,
);
const TOO_MANY: Buffer = refusal(`${SUBSCRIPTIONS_MAX} subscriptions of all clients`, TOTAL_HINT);
const TOO_MANY_PATTERNS: Buffer = refusal(`${PATTERNS_MAX} patterns of all clients`, TOTAL_HINT);
const TOO_LONG: Buffer = refusal(
  `${SUBSCRIBED_BYTES_MAX} bytes of channel names of all clients`,
  TOTAL_HINT,
);

function refusal(limit: string, hint: string): Buffer {
  return encodeError(`ERR the proxy's limit of ${limit} is reached; ${hint}`);
}

/**
 * Why a client may not be subscribed to `names` as well; null: it may. Names that it is subscribed to already do not count,
 * unless the request is a long one: then they are not looked for.
 */
export function refusalFor(subscriber: Subscriber, kind: Kind, names: Names): Buffer | null {
  const rough = beyondClient(subscriber, kind, names.count, names.bytes);
  if (rough === null || names.count > SUBSCRIBE_NAMES_MAX) return rough;
  const fresh = [...new Set(names)].filter((name) => !subscriber.knows(kind, name));
  const bytes = fresh.reduce((sum, { length }) => sum + length, 0);
  return beyondClient(subscriber, kind, fresh.length, bytes);
}

function beyondClient(
  subscriber: Subscriber,
  kind: Kind,
  count: number,
  bytes: number,
): Buffer | null {
  if (count === 0) return null;
  if (subscriber.total + count > SUBSCRIPTIONS_PER_CLIENT_MAX) return TOO_MANY_OF_CLIENT;
  if (subscriber.bytes + bytes > SUBSCRIBED_BYTES_PER_CLIENT_MAX) return TOO_LONG_OF_CLIENT;
  const patterns = kind === "pattern" ? subscriber.topics.pattern.size + count : 0;
  return patterns > PATTERNS_PER_CLIENT_MAX ? TOO_MANY_PATTERNS_OF_CLIENT : null;
}

/** What all clients of one pool in one worker are subscribed to. Clients that come from another process are always let in. */
export class Allowance {
  /** Topics' members, of all hubs. */
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
