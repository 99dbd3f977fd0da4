/**
 * Commands that go to every server, and whose replies become one.
 *
 * No need to settle first: each goes over the same connections as the client's other requests, so every server sees it in
 * its place among them.
 */

import type { Upstream } from "../../../../api/upstream.ts";
import { encodeError } from "../../codec/encode.ts";
import { isError, mergeReplies } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { forwardToAny } from "../any-server.ts";
import { askAll, type Question } from "../ask.ts";
import type { Answer } from "../collector.ts";
import type { RedisClient } from "../redis-client.ts";
import { MISMATCH } from "../refusals.ts";
import { askSources, mergeKeys } from "./sources-first.ts";

/**
 * Sends the request at hand to all servers and answers with their replies merged as `command.merge` says.
 * @returns false: not now, see Handler
 */
export function broadcast(client: RedisClient, command: Command, view: RequestView): boolean {
  const { upstreams } = client.pool.route;
  if (upstreams.length === 1) return forwardToAny(client, command, view);
  const first = askSources(client, command, view);
  if (typeof first === "string") return first === "refused";
  const merge: Question["merge"] = (answers, servers) => {
    const reply = replyOf(client, command, answers, servers);
    if (first.length === 0 || command.name !== "KEYS" || isError(reply)) return reply;
    return mergeKeys([...first, reply]) ?? MISMATCH;
  };
  // To stop what runs too long on some servers must not fail because others are down.
  const reach = command.merge === "one_ok" ? "available" : "all";
  return askAll(client, { requests: [view], reach, access: command.access, merge });
}

/** The client's reply, of the answers of `servers`, which are all that were asked. */
export function replyOf(
  client: RedisClient,
  command: Command,
  answers: readonly Answer[],
  servers: readonly Upstream[],
): Buffer {
  const replies = answers.filter((answer) => Buffer.isBuffer(answer));
  const good = replies.filter((reply) => !isError(reply));
  const isEnough = command.merge === "one_ok" ? good.length > 0 : good.length === answers.length;
  if (isEnough) return mergeReplies(command.merge ?? "all_ok", good) ?? MISMATCH;
  return faultOf(client, command, answers, servers, good.length);
}

/** The lowest server's fault, so that it does not depend on who was first; with what became of the command elsewhere. */
function faultOf(
  client: RedisClient,
  command: Command,
  answers: readonly Answer[],
  servers: readonly Upstream[],
  successes: number,
): Buffer {
  const index = answers.findIndex((answer) => !Buffer.isBuffer(answer) || isError(answer));
  const answer = answers[index]!;
  const reply = Buffer.isBuffer(answer) ? answer : client.failureReply(answer);
  if (successes === 0 || command.flags.includes("readonly") || reply[0] !== MINUS) return reply;
  const { name } = servers[index]!;
  const shown = command.name.replace("|", " ");
  const text = reply.toString("latin1", 1, reply.length - 2);
  return encodeError(
    `${text} (server ${name}; ${successes} of ${answers.length} servers executed '${shown}')`,
  );
}

const MINUS = 0x2d;
