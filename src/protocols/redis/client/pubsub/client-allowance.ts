/** How much one client may be subscribed to. */
import {
  PATTERNS_PER_CLIENT_MAX,
  SUBSCRIBE_NAMES_MAX,
  SUBSCRIBED_BYTES_PER_CLIENT_MAX,
  SUBSCRIPTIONS_PER_CLIENT_MAX,
} from "../../../../base/limits.ts";
import { refusal } from "./allowance.ts";
import type { Kind } from "./kinds.ts";
import type { Names } from "./names.ts";
import type { Subscriber } from "./subscriber.ts";

const HINT = "unsubscribe from some, or use more connections";
const TOO_MANY_OF_CLIENT: Buffer = refusal(
  `${SUBSCRIPTIONS_PER_CLIENT_MAX} subscriptions of one client`,
  HINT,
);
const TOO_MANY_PATTERNS_OF_CLIENT: Buffer = refusal(
  `${PATTERNS_PER_CLIENT_MAX} patterns of one client`,
  HINT,
);
const TOO_LONG_OF_CLIENT: Buffer = refusal(
  `${SUBSCRIBED_BYTES_PER_CLIENT_MAX} bytes of channel names of one client`,
  HINT,
);
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
