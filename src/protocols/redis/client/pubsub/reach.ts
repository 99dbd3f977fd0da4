/** Who gets a message that comes over the lines of one shared subscription. */
import type { Reach } from "./census.ts";
import type { Kind } from "./kinds.ts";
import type { ServerSubscription } from "./server-subscription.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

/** Those of `links` whose server has confirmed `topic`, on the connection that stands now. */
export function subscriptionsWith(
  topic: Topic,
  subscriptions: readonly ServerSubscription[],
): readonly ServerSubscription[] {
  return subscriptions.filter(
    (subscription) => topic.isAt(subscription.upstream) && subscription.hasOn(topic),
  );
}

/** What a message for `name` comes to that is published on the server called `server`. */
export function reachOf(
  topics: TopicTable,
  subscriptions: readonly ServerSubscription[],
  [kind, name, server]: readonly [Kind, string, string],
): Reach {
  const ofServer = subscriptions.filter(({ upstream }) => upstream.name === server);
  let copies = 0;
  let clients = 0;
  for (const topic of topics.reachedBy(kind, name)) {
    if (subscriptionsWith(topic, ofServer).length === 0) continue;
    copies++;
    clients += topic.subscriberCount;
  }
  return { copies, clients };
}

/** Subscriptions to exactly `name`: those that a shared subscription has with servers, and those that clients have with it. */
export function subscribersOf(
  topic: Topic | undefined,
  subscriptions: readonly ServerSubscription[],
): Reach {
  if (topic === undefined) return { copies: 0, clients: 0 };
  return { copies: subscriptionsWith(topic, subscriptions).length, clients: topic.subscriberCount };
}
