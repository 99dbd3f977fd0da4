/** What is subscribed on one server moves as keys do, when servers are ejected or come back, or slots move. */
import { SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import { KINDS, type Kind } from "./kinds.ts";
import type { ServerSubscriptions } from "./server-subscriptions.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

const nothing = (): void => {};

/** Moves those that belong elsewhere now; in slices, see SliceQueue. */
export function* moveShards(
  topics: TopicTable,
  subscriptions: ServerSubscriptions,
): Generator<void, void> {
  for (const kind of KINDS) yield* moveKind(kind, topics, subscriptions);
}

function* moveKind(
  kind: Kind,
  topics: TopicTable,
  subscriptions: ServerSubscriptions,
): Generator<void, void> {
  let looked = 0;
  let moving: Topic[] = [];
  for (const topic of topics.of(kind)) {
    const isEverywhere = topic.place === "everywhere";
    // Those of one kind are alike in that, but on a cluster.
    if (isEverywhere && !subscriptions.areMixed) return;
    const place = subscriptions.placeOf(topic.kind, topic.name);
    // Without any server left it stays where it is.
    if (place !== "nowhere" && place !== topic.place && !isEverywhere) moving.push(topic);
    if (++looked % SUBSCRIBE_NAMES_MAX > 0) continue;
    moveSome(kind, moving, subscriptions);
    moving = [];
    yield;
  }
  moveSome(kind, moving, subscriptions);
}

function moveSome(kind: Kind, topics: readonly Topic[], subscriptions: ServerSubscriptions): void {
  const left = subscriptions.share(topics);
  for (const topic of topics) topic.place = subscriptions.placeOf(topic.kind, topic.name);
  const wanted = topics.filter(({ members }) => members > 0);
  for (const [subscription, ofSubscription] of subscriptions.share(wanted))
    subscription.want(kind, ofSubscription);
  for (const [subscription, ofSubscription] of left)
    subscription.unsubscribe(kind, ofSubscription, nothing);
}
