/** PUBSUB CHANNELS, NUMSUB and so on: all servers are asked, and hubs are counted as the clients that they stand for. */
import type { Command } from "../../../protocol/redis/command.ts";
import { type Decoded, decodeReply } from "../../../protocol/redis/decode.ts";
import { encodeInteger, encodeValue } from "../../../protocol/redis/encode.ts";
import { isError } from "../../../protocol/redis/merge-replies.ts";
import type { RequestView } from "../../../protocol/redis/request-view.ts";
import { forwardToAny } from "../any-server.ts";
import { collectAll } from "../ask.ts";
import type { Answer } from "../collector.ts";
import type { RedisFrontend } from "../redis-frontend.ts";
import type { Kind } from "./kinds.ts";

/** A server's reply, of strings and numbers. */
type Values = readonly Decoded[];
type Merge = (
  client: RedisFrontend,
  replies: readonly Values[],
  done: (reply: Buffer) => void,
) => void;

const MERGES: Readonly<Record<string, Merge>> = {
  "PUBSUB|CHANNELS": channels,
  "PUBSUB|SHARDCHANNELS": channels,
  "PUBSUB|NUMPAT": patterns,
  "PUBSUB|NUMSUB": (...given) => subscribers("channel", ...given),
  "PUBSUB|SHARDNUMSUB": (...given) => subscribers("shard", ...given),
};

export function introspect(client: RedisFrontend, command: Command, view: RequestView): boolean {
  const merge = MERGES[command.name];
  if (merge === undefined) return forwardToAny(client, command, view);
  const { session } = client;
  // A server that is not there has no subscribers.
  return collectAll(client, { requests: [view], reach: "available" }, (answers, token) => {
    const replies = answers.filter((answer) => Buffer.isBuffer(answer));
    const fault = replies.find(isError) ?? (replies.length === 0 ? answers[0] : undefined);
    if (Buffer.isBuffer(fault)) session.reply(token, fault);
    else if (fault !== undefined) session.onFailure(token, 1, fault);
    else merge(client, replies.map(valuesOf), (reply) => session.reply(token, reply));
  });
}

function valuesOf(reply: Answer & Buffer): Values {
  const value = decodeReply(reply, 0);
  return Array.isArray(value) ? value : [value];
}

function channels(
  { state }: RedisFrontend,
  replies: readonly Values[],
  done: (reply: Buffer) => void,
): void {
  const names = new Set(replies.flat().map((name) => (name as Buffer).toString("latin1")));
  done(
    encodeValue(
      [...names].map((name) => Buffer.from(name, "latin1")),
      state.version,
    ),
  );
}

/** Every server has the patterns of all hubs. */
function patterns(
  _client: RedisFrontend,
  replies: readonly Values[],
  done: (reply: Buffer) => void,
): void {
  done(encodeInteger(Math.max(...replies.map(([count]) => Number(count)))));
}

/** Alternating names and counts, the same names from all servers. */
function subscribers(
  kind: Kind,
  { pool, state }: RedisFrontend,
  replies: readonly Values[],
  done: (reply: Buffer) => void,
): void {
  const { hubs } = pool;
  const names = (replies[0] ?? []).filter((_, at) => at % 2 === 0) as Buffer[];
  const counts: number[] = names.map(() => 0);
  let pending = names.length;
  const finish = (): void => {
    const pairs = names.flatMap((name, index) => [name, counts[index]!]);
    done(encodeValue(pairs, state.version));
  };
  for (const [index, name] of names.entries()) {
    const counted = replies.reduce((sum, reply) => sum + Number(reply[2 * index + 1]), 0);
    hubs.countClients([kind, name.toString("latin1"), null], counted, (count) => {
      counts[index] = count;
      if (--pending === 0) finish();
    });
  }
  if (names.length === 0) finish();
}
