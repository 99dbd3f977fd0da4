/** Publish and subscribe. */

import { matchesGlob } from "../../../protocols/redis/codec/glob.ts";
import { at, type Call, type CommandTable, from } from "../command.ts";
import { confirm, type Kind, publish, subscriptions } from "../pubsub.ts";
import { array, bulk, bulks, integer } from "../reply.ts";

export const PUBSUB_COMMANDS: CommandTable = {
  publish: [3, (call) => integer(publish(call.shard, at(call, 1), at(call, 2), false))],
  spublish: [3, (call) => integer(publish(call.shard, at(call, 1), at(call, 2), true))],
  subscribe: [-2, (call) => change(call, "channels", "subscribe")],
  unsubscribe: [-1, (call) => change(call, "channels", "unsubscribe")],
  psubscribe: [-2, (call) => change(call, "patterns", "psubscribe")],
  punsubscribe: [-1, (call) => change(call, "patterns", "punsubscribe")],
  ssubscribe: [-2, (call) => change(call, "shardChannels", "ssubscribe")],
  sunsubscribe: [-1, (call) => change(call, "shardChannels", "sunsubscribe")],
  "pubsub|channels": [-2, (call) => listed(call, "channels")],
  "pubsub|shardchannels": [-2, (call) => listed(call, "shardChannels")],
  "pubsub|numsub": [-2, (call) => counted(call, "channels")],
  "pubsub|shardnumsub": [-2, (call) => counted(call, "shardChannels")],
  "pubsub|numpat": [2, ({ shard }) => integer(subscriptions(shard, "patterns").size)],
};

function change(call: Call, kind: Kind, verb: string): string {
  const { client } = call;
  const named = from(call, 1);
  // Without names: all that there are.
  const names: (string | null)[] = named.length > 0 ? named : [...client[kind]];
  if (names.length === 0) names.push(null);
  return names.map((name) => confirm(client, kind, verb, name)).join("");
}

function listed(call: Call, kind: Kind): string {
  const pattern = call.args[2] ?? "*";
  const names = [...subscriptions(call.shard, kind).keys()];
  return bulks(names.filter((name) => matchesGlob(pattern, name)));
}

function counted(call: Call, kind: Kind): string {
  const counts = subscriptions(call.shard, kind);
  return array(from(call, 2).flatMap((name) => [bulk(name), integer(counts.get(name) ?? 0)]));
}
