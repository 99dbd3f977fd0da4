/** Channels and patterns are subscribed on all servers of the pool: also on those that come, and no more on those that left. */
import { SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import { KINDS, type Kind } from "./kinds.ts";
import type { ServerSubscriptions } from "./server-subscriptions.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

/** To be run when the servers of the pool may have changed; in slices, see SliceQueue. */
export function* followServers(
  topics: TopicTable,
  subscriptions: ServerSubscriptions,
): Generator<void, void> {
  subscriptions.dropLeft();
  const { areMixed } = subscriptions;
  const isNeeded = areMixed || KINDS.some((kind) => mayBeEverywhere(topics, kind));
  const added = isNeeded ? subscriptions.missing : [];
  if (added.length === 0) return;
  for (const kind of KINDS) {
    let wanted: Topic[] = [];
    let looked = 0;
    const want = (): void => {
      if (wanted.length === 0) return;
      for (const upstream of added) subscriptions.want(upstream, kind, wanted);
      wanted = [];
    };
    for (const topic of topics.of(kind)) {
      if (topic.place === "everywhere" && topic.members > 0) wanted.push(topic);
      if (++looked % SUBSCRIBE_NAMES_MAX > 0) continue;
      want();
      yield;
    }
    want();
  }
}

/** All topics of one kind are alike in that. */
function mayBeEverywhere(topics: TopicTable, kind: Kind): boolean {
  for (const { place } of topics.of(kind)) return place === "everywhere";
  return false;
}
