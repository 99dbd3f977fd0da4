/** Who hears of what is published. Subscribers are few here, so they are found by looking at every client. */

import { matchesGlob } from "../../protocols/redis/codec/glob.ts";
import type { ClientState } from "./client-state.ts";
import type { Shard } from "./command.ts";
import { bulk, integer } from "./reply.ts";

/** What a client can be subscribed to, with the words that its messages begin with. */
export type Kind = "channels" | "patterns" | "shardChannels";

/** A message outside of replies: RESP3 has a type of its own for it. Items are encoded. */
export function pushed({ encoding }: ClientState, items: readonly string[]): string {
  return `${encoding.version === 3 ? ">" : "*"}${items.length}\r\n${items.join("")}`;
}

/** @returns how often it was delivered */
export function publish(
  shard: Shard,
  channel: string,
  message: string,
  isSharded: boolean,
): number {
  let receivers = 0;
  const deliver = (client: ClientState, ...items: string[]): void => {
    client.push(pushed(client, [...items, channel, message].map(bulk)));
    receivers += 1;
  };
  for (const client of shard.clients) {
    if (isSharded) {
      if (client.shardChannels.has(channel)) deliver(client, "smessage");
      continue;
    }
    if (client.channels.has(channel)) deliver(client, "message");
    for (const pattern of client.patterns) {
      if (matchesGlob(pattern, channel)) deliver(client, "pmessage", pattern);
    }
  }
  return receivers;
}

/** Subscribes or unsubscribes, and answers with a confirmation for each name; null stands for "there was none". */
export function confirm(
  client: ClientState,
  kind: Kind,
  verb: string,
  name: string | null,
): string {
  const names = client[kind];
  if (name !== null && verb.includes("unsubscribe")) names.delete(name);
  else if (name !== null) names.add(name);
  const shown = name === null ? client.encoding.nil : bulk(name);
  const { channels, patterns, shardChannels } = client;
  const count = kind === "shardChannels" ? shardChannels.size : channels.size + patterns.size;
  return pushed(client, [bulk(verb), shown, integer(count)]);
}

/** Every name of this kind that a client is subscribed to, with the number of subscribers. */
export function subscriptions(shard: Shard, kind: Kind): Map<string, number> {
  const counts = new Map<string, number>();
  for (const client of shard.clients) {
    for (const name of client[kind]) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
