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
import { MISMATCH } from "../refusals.ts";
import type { Kind } from "./kinds.ts";

/** A server's reply, of strings and numbers. */
type Values = readonly Decoded[];
type Merge = (
  client: RedisFrontend,
  replies: readonly Values[],
  done: (reply: Buffer) => void,
) => void;
/** Whether a server's reply is of the kind that can be merged. */
type Fits = (values: Values) => boolean;

const isText = (value: Decoded): boolean => Buffer.isBuffer(value);
const isCount = (value: Decoded): boolean => typeof value === "number";
const areNames: Fits = (values) => values.every(isText);
const isOneCount: Fits = (values) => values.length === 1 && values.every(isCount);
const areNamesAndCounts: Fits = (values) =>
  values.length % 2 === 0 && values.every((value, at) => (at % 2 === 0 ? isText : isCount)(value));

const MERGES: Readonly<Record<string, readonly [Fits, Merge]>> = {
  "PUBSUB|CHANNELS": [areNames, channels],
  "PUBSUB|SHARDCHANNELS": [areNames, channels],
  "PUBSUB|NUMPAT": [isOneCount, patterns],
  "PUBSUB|NUMSUB": [areNamesAndCounts, (...given) => subscribers("channel", ...given)],
  "PUBSUB|SHARDNUMSUB": [areNamesAndCounts, (...given) => subscribers("shard", ...given)],
};

export function introspect(client: RedisFrontend, command: Command, view: RequestView): boolean {
  const found = MERGES[command.name];
  if (found === undefined) return forwardToAny(client, command, view);
  const [fits, merge] = found;
  const { session } = client;
  // A server that is not there has no subscribers.
  return collectAll(client, { requests: [view], reach: "available" }, (answers, token) => {
    const replies = answers.filter((answer) => Buffer.isBuffer(answer));
    const fault = replies.find(isError) ?? (replies.length === 0 ? answers[0] : undefined);
    if (Buffer.isBuffer(fault)) session.reply(token, fault);
    else if (fault !== undefined) session.onFailure(token, 1, fault);
    else {
      const values = replies.map(valuesOf);
      if (values.every(fits)) merge(client, values, (reply) => session.reply(token, reply));
      else session.reply(token, MISMATCH);
    }
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
    const counted = replies.reduce((sum, reply) => sum + Number(reply[2 * index + 1] ?? 0), 0);
    hubs.countClients([kind, name.toString("latin1"), null], counted, (count) => {
      counts[index] = count;
      if (--pending === 0) finish();
    });
  }
  if (names.length === 0) finish();
}
