/** Who gets a message that comes over the lines of one hub. */
import type { Reach } from "./census.ts";
import type { Kind } from "./kinds.ts";
import type { Link } from "./link.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

/** Those of `links` whose server has confirmed `topic`, on the connection that stands now. */
export function linksWith(topic: Topic, links: readonly Link[]): readonly Link[] {
  return links.filter((link) => topic.isAt(link.upstream) && link.hasOn(topic));
}

/** What a message for `name` comes to that is published on the server called `server`. */
export function reachOf(
  topics: TopicTable,
  links: readonly Link[],
  [kind, name, server]: readonly [Kind, string, string],
): Reach {
  const ofServer = links.filter(({ upstream }) => upstream.name === server);
  let copies = 0;
  let clients = 0;
  for (const topic of topics.reachedBy(kind, name)) {
    if (linksWith(topic, ofServer).length === 0) continue;
    copies++;
    clients += topic.subscriberCount;
  }
  return { copies, clients };
}

/** Subscriptions to exactly `name`: those that a hub has with servers, and those that clients have with it. */
export function subscribersOf(topic: Topic | undefined, links: readonly Link[]): Reach {
  if (topic === undefined) return { copies: 0, clients: 0 };
  return { copies: linksWith(topic, links).length, clients: topic.subscriberCount };
}
