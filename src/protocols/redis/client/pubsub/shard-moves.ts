/** Shard channels move as keys do, when servers are ejected or come back. */
import { SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import type { Links } from "./links.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

const nothing = (): void => {};

/** Moves those that belong elsewhere now; in slices, see SliceQueue. */
export function* moveShards(topics: TopicTable, links: Links): Generator<void, void> {
  let looked = 0;
  let moving: Topic[] = [];
  for (const topic of topics.of("shard")) {
    if (topic.place === "everywhere") return;
    const place = links.placeOf(topic.kind, topic.name);
    // Without any server left it stays where it is.
    if (place !== "nowhere" && place !== topic.place) moving.push(topic);
    if (++looked % SUBSCRIBE_NAMES_MAX > 0) continue;
    moveSome(moving, links);
    moving = [];
    yield;
  }
  moveSome(moving, links);
}

function moveSome(topics: readonly Topic[], links: Links): void {
  const left = links.share(topics);
  for (const topic of topics) topic.place = links.placeOf(topic.kind, topic.name);
  const wanted = topics.filter(({ members }) => members > 0);
  for (const [link, ofLink] of links.share(wanted)) link.want("shard", ofLink);
  for (const [link, ofLink] of left) link.unsubscribe("shard", ofLink, nothing);
}
