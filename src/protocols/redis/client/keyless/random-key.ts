/** RANDOMKEY over all servers: each is asked for one of its keys, and how many it has. */

import { encodeRequest } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { forwardToAny } from "../any-server.ts";
import { askAll, firstFault } from "../ask.ts";
import type { Answer } from "../collector.ts";
import type { RedisClient } from "../redis-client.ts";

const DBSIZE: Buffer = encodeRequest("DBSIZE");
const NULL = /^(\$-1|_)\r\n$/;

export function handleRandomKey(client: RedisClient, command: Command, view: RequestView): boolean {
  if (client.pool.route.upstreams.length === 1) return forwardToAny(client, command, view);
  return askAll(client, {
    requests: [view, { bytes: DBSIZE, start: 0, end: DBSIZE.length }],
    reach: "all",
    access: command.access,
    merge: (answers) => firstFault(client, answers) ?? pick(answers, client.pool.random()),
  });
}

/** @param answers keys, then sizes; all of them proper replies */
function pick(answers: readonly Answer[], random: number): Buffer {
  const replies = answers as readonly Buffer[];
  const servers = replies.length / 2;
  const weights = replies.map((reply, i) => {
    if (i >= servers || NULL.test(reply.toString("latin1", 0, 8))) return 0;
    // The key may have come after the size was taken.
    return Math.max(1, sizeOf(replies[servers + i]!));
  });
  let left = random * weights.reduce((sum, weight) => sum + weight, 0);
  const index = weights.findIndex((weight) => {
    left -= weight;
    return weight > 0 && left < 0;
  });
  return replies[Math.max(index, 0)]!;
}

function sizeOf(reply: Buffer): number {
  return Number(/^:(\d+)\r\n$/.exec(reply.toString("latin1"))?.[1] ?? 0);
}
