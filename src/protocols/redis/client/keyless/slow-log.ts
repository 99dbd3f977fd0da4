/** SLOWLOG GET [count] over all servers: their latest entries, newest first. An entry's number is its own server's. */

import { elementsOf } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { forwardToAny } from "../any-server.ts";
import { askAll, firstFault } from "../ask.ts";
import type { RedisClient } from "../redis-client.ts";
import { MISMATCH } from "../refusals.ts";

/** What Redis gives without a count. */
const COUNT_DEFAULT = 10;

export function handleSlowLog(client: RedisClient, command: Command, view: RequestView): boolean {
  if (client.pool.route.upstreams.length === 1) return forwardToAny(client, command, view);
  // A count that is none is refused by the servers. -1: all.
  const count = view.count > 2 ? Number(view.text(2)) : COUNT_DEFAULT;
  return askAll(client, {
    requests: [view],
    reach: "all",
    merge: (answers) =>
      firstFault(client, answers) ?? newestOf(answers as readonly Buffer[], count) ?? MISMATCH,
  });
}

function newestOf(replies: readonly Buffer[], count: number): Buffer | null {
  const lists = replies.map(elementsOf);
  const entries: { bytes: Buffer; time: number }[] = [];
  for (const list of lists) {
    if (list === null) return null;
    for (const bytes of list) entries.push({ bytes, time: timeOf(bytes) });
  }
  entries.sort((a, b) => b.time - a.time);
  const wanted = count < 0 ? entries : entries.filter((_, i) => i < count);
  return Buffer.concat([
    Buffer.from(`*${wanted.length}\r\n`),
    ...wanted.map((entry) => entry.bytes),
  ]);
}

/** Seconds: the second of *6 :number :time …. */
function timeOf(entry: Buffer): number {
  return Number(/^:(\d+)/.exec(elementsOf(entry)?.[1]?.toString("latin1") ?? "")?.[1] ?? 0);
}
