/** Shard channels move as keys do, when servers are ejected or come back. */
import { SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import type { ServerSubscriptions } from "./server-subscriptions.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

const nothing = (): void => {};

/** Moves those that belong elsewhere now; in slices, see SliceQueue. */
export function* moveShards(
  topics: TopicTable,
  subscriptions: ServerSubscriptions,
): Generator<void, void> {
  let looked = 0;
  let moving: Topic[] = [];
  for (const topic of topics.of("shard")) {
    if (topic.place === "everywhere") return;
    const place = subscriptions.placeOf(topic.kind, topic.name);
    // Without any server left it stays where it is.
    if (place !== "nowhere" && place !== topic.place) moving.push(topic);
    if (++looked % SUBSCRIBE_NAMES_MAX > 0) continue;
    moveSome(moving, subscriptions);
    moving = [];
    yield;
  }
  moveSome(moving, subscriptions);
}

function moveSome(topics: readonly Topic[], subscriptions: ServerSubscriptions): void {
  const left = subscriptions.share(topics);
  for (const topic of topics) topic.place = subscriptions.placeOf(topic.kind, topic.name);
  const wanted = topics.filter(({ members }) => members > 0);
  for (const [subscription, ofSubscription] of subscriptions.share(wanted))
    subscription.want("shard", ofSubscription);
  for (const [subscription, ofSubscription] of left)
    subscription.unsubscribe("shard", ofSubscription, nothing);
}
