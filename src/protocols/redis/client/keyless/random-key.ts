/** RANDOMKEY over all servers: each is asked for one of its keys, and how many it has. Those that do not answer have no part in it. */

import { encodeRequest } from "../../codec/encode.ts";
import { isError } from "../../codec/merge-replies.ts";
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
    reach: "available",
    access: command.access,
    merge: (answers) =>
      pick(answers, client.pool.random()) ?? firstFault(client, answers) ?? none(answers),
  });
}

/** @param answers keys, then sizes @returns null: no server has told a key */
function pick(answers: readonly Answer[], random: number): Buffer | null {
  const servers = answers.length / 2;
  const weights = answers.map((answer, i) => {
    if (i >= servers || !isKey(answer)) return 0;
    const size = answers[servers + i]!;
    // The key may have come after the size was taken, and the size may be missing.
    return Math.max(1, Buffer.isBuffer(size) ? sizeOf(size) : 0);
  });
  let left = random * weights.reduce((sum, weight) => sum + weight, 0);
  const index = weights.findIndex((weight) => {
    left -= weight;
    return weight > 0 && left < 0;
  });
  return index < 0 ? null : (answers[index] as Buffer);
}

function isKey(answer: Answer): answer is Buffer {
  return Buffer.isBuffer(answer) && !isError(answer) && !NULL.test(answer.toString("latin1", 0, 8));
}

/** All have answered that they have no key. */
function none(answers: readonly Answer[]): Buffer {
  return answers[0] as Buffer;
}

function sizeOf(reply: Buffer): number {
  return Number(/^:(\d+)\r\n$/.exec(reply.toString("latin1"))?.[1] ?? 0);
}
