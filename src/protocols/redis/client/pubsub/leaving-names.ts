/** What of names another process must be told when a shared subscription moves: some at a time, as many as are dealt with in one turn. */
import type { Upstream } from "../../../../api/upstream.ts";
import { SUBSCRIBE_NAMES_MAX, SUBSCRIBE_NAMES_SENT_BYTES_MAX } from "../../../../base/limits.ts";
import type { NamesOnServers } from "./arrivals.ts";
import { KINDS, type Kind } from "./kinds.ts";
import { NameCursor } from "./names.ts";
import { subscriptionsWith } from "./reach.ts";
import type { ServerSubscription } from "./server-subscription.ts";
import type { SharedSubscription } from "./shared-subscription.ts";
import type { Subscriber } from "./subscriber.ts";

/** What is subscribed on one connection, all at once: the form that programs before format 3 of packets know. */
export function topicsOn(
  { topics }: SharedSubscription,
  subscription: ServerSubscription,
): [kind: Kind, name: string][] {
  const found: [Kind, string][] = [];
  for (const topic of topics.all()) {
    if (subscription.wants(topic) && subscription.hasOn(topic))
      found.push([topic.kind, topic.name]);
  }
  return found;
}

interface List {
  readonly upstreams: readonly Upstream[];
  names: string[];
  bytes: number;
}

/** What is subscribed on the connections of `links`: each name once, with all servers that have it. */
export function* namesByServers(
  { topics }: SharedSubscription,
  subscriptions: readonly ServerSubscription[],
): Generator<NamesOnServers, void> {
  for (const kind of KINDS) {
    const lists = new Map<string, List>();
    for (const topic of topics.of(kind)) {
      const on = subscriptionsWith(topic, subscriptions).map(({ upstream }) => upstream);
      if (on.length === 0) continue;
      const key = on.map(({ id }) => id).join();
      const list = lists.get(key) ?? { upstreams: on, names: [], bytes: 0 };
      lists.set(key, list);
      list.names.push(topic.name);
      list.bytes += topic.name.length;
      const isLong = list.bytes >= SUBSCRIBE_NAMES_SENT_BYTES_MAX;
      if (list.names.length < SUBSCRIBE_NAMES_MAX && !isLong) continue;
      lists.delete(key);
      yield { kind, names: list.names, upstreams: list.upstreams };
    }
    for (const { names, upstreams } of lists.values()) yield { kind, names, upstreams };
  }
}

/** What one client is subscribed to. */
export function* namesOfSubscriber(
  subscriber: Subscriber,
): Generator<readonly [kind: Kind, names: readonly string[]], void> {
  for (const kind of KINDS) {
    const names = new NameCursor(subscriber.names(kind), SUBSCRIBE_NAMES_SENT_BYTES_MAX);
    while (!names.isDone) yield [kind, names.take()];
  }
}
