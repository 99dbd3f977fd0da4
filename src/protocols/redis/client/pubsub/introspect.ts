/**
 * PUBSUB CHANNELS, NUMSUB and so on: all servers are asked, and shared subscriptions are counted as the clients that they stand for.
 *
 * There may be hundreds of thousands of names in a reply: they are gone through in slices, where they stand.
 */
import { SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import { ElementReader } from "../../codec/element-reader.ts";
import { arrayHeader, encodeInteger } from "../../codec/encode.ts";
import { isError } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { forwardToAny } from "../any-server.ts";
import { collectAll } from "../ask.ts";
import type { RedisClient } from "../redis-client.ts";
import type { Kind } from "./kinds.ts";
import type { SharedSubscriptions } from "./shared-subscriptions.ts";

/** `replies` are all servers' that gave one; at least one. */
type Merge = (
  sharedSubscriptions: SharedSubscriptions,
  replies: readonly Buffer[],
  done: (reply: Buffer) => void,
) => void;

const MERGES: Readonly<Record<string, Merge>> = {
  "PUBSUB|CHANNELS": channels,
  "PUBSUB|SHARDCHANNELS": channels,
  "PUBSUB|NUMPAT": patterns,
  "PUBSUB|NUMSUB": (...given) => subscribers("channel", ...given),
  "PUBSUB|SHARDNUMSUB": (...given) => subscribers("shard", ...given),
};

export function introspect(client: RedisClient, command: Command, view: RequestView): boolean {
  const merge = MERGES[command.name];
  if (merge === undefined) return forwardToAny(client, command, view);
  const { session, pool } = client;
  // A server that is not there has no subscribers.
  return collectAll(client, { requests: [view], reach: "available" }, (answers, token) => {
    const replies = answers.filter((answer) => Buffer.isBuffer(answer));
    const fault = replies.find(isError) ?? (replies.length === 0 ? answers[0] : undefined);
    if (Buffer.isBuffer(fault)) session.reply(token, fault);
    else if (fault !== undefined) session.onFailure(token, 1, fault);
    else merge(pool.sharedSubscriptions, replies, (reply) => session.reply(token, reply));
  });
}

/** Each name once. */
function channels(
  sharedSubscriptions: SharedSubscriptions,
  replies: readonly Buffer[],
  done: (reply: Buffer) => void,
): void {
  const [only, ...others] = replies;
  if (others.length === 0) done(only!);
  else sharedSubscriptions.slices.run(distinct(replies, done));
}

function* distinct(
  replies: readonly Buffer[],
  done: (reply: Buffer) => void,
): Generator<void, void> {
  const known = new Set<string>();
  const parts: Buffer[] = [];
  let looked = 0;
  for (const reply of replies) {
    const names = new ElementReader(reply);
    let from = names.position;
    while (names.next()) {
      const name = names.text;
      if (known.has(name)) {
        // What is new goes in pieces as long as possible.
        if (from < names.start) parts.push(reply.subarray(from, names.start));
        from = names.position;
      }
      known.add(name);
      if (++looked % SUBSCRIBE_NAMES_MAX === 0) yield;
    }
    if (from < names.position) parts.push(reply.subarray(from, names.position));
  }
  done(Buffer.concat([arrayHeader(known.size), ...parts]));
}

/** Every server has the patterns of all shared subscriptions. */
function patterns(
  _shared: SharedSubscriptions,
  replies: readonly Buffer[],
  done: (reply: Buffer) => void,
): void {
  const counts = replies.map((reply) => new ElementReader(reply).single);
  done(encodeInteger(Math.max(...counts)));
}

/** Alternating names and counts, the same names from all servers. */
function subscribers(
  kind: Kind,
  sharedSubscriptions: SharedSubscriptions,
  replies: readonly Buffer[],
  done: (reply: Buffer) => void,
): void {
  const readers = replies.map((reply) => new ElementReader(reply));
  const { count } = readers[0]!;
  const parts: Buffer[] = [arrayHeader(count)];
  /** Some of the names, and so on when clients have been counted that are subscribed to them. */
  const next = (): void => {
    const pairs = takePairs(readers);
    if (pairs.length === 0) {
      done(Buffer.concat(parts));
      return;
    }
    let pending = pairs.length;
    const counts: number[] = [];
    for (const [index, [name, counted]] of pairs.entries()) {
      sharedSubscriptions.countClients([kind, name, null], counted, (clients) => {
        counts[index] = clients;
        if (--pending > 0) return;
        const texts = pairs.map(([text], i) => `$${text.length}\r\n${text}\r\n:${counts[i]}\r\n`);
        parts.push(Buffer.from(texts.join(""), "latin1"));
        sharedSubscriptions.slices.run(later(next));
      });
    }
  };
  next();
}

/** The next names, with the sum of what the servers count. */
function takePairs(readers: readonly ElementReader[]): [name: string, counted: number][] {
  const pairs: [string, number][] = [];
  while (pairs.length < SUBSCRIBE_NAMES_MAX) {
    let name: string | null = null;
    let counted = 0;
    for (const reader of readers) {
      if (!reader.next()) continue;
      name ??= reader.text;
      if (reader.next()) counted += reader.integer;
    }
    if (name === null) break;
    pairs.push([name, counted]);
  }
  return pairs;
}

/** In the next turn of the event loop. */
function* later(action: () => void): Generator<void, void> {
  yield;
  action();
}
