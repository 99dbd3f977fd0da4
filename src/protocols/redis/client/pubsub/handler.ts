/** SUBSCRIBE and its like, PUBLISH, PUBSUB. */

import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";
import { introspect } from "./introspect.ts";
import type { Kind } from "./kinds.ts";
import { publish } from "./publish.ts";
import { subscribe, unsubscribe } from "./subscribe.ts";

type PubsubHandler = (client: RedisClient, kind: Kind, view: RequestView) => boolean;

const HANDLERS: Readonly<Record<string, readonly [PubsubHandler, Kind]>> = {
  SUBSCRIBE: [subscribe, "channel"],
  PSUBSCRIBE: [subscribe, "pattern"],
  SSUBSCRIBE: [subscribe, "shard"],
  UNSUBSCRIBE: [unsubscribe, "channel"],
  PUNSUBSCRIBE: [unsubscribe, "pattern"],
  SUNSUBSCRIBE: [unsubscribe, "shard"],
  PUBLISH: [publish, "channel"],
  SPUBLISH: [publish, "shard"],
};

export function handlePubSub(client: RedisClient, command: Command, view: RequestView): boolean {
  const entry = HANDLERS[command.name];
  if (entry === undefined) return introspect(client, command, view);
  const [handle, kind] = entry;
  return handle(client, kind, view);
}
