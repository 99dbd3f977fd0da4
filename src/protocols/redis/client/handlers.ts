/** What is done with commands that are neither simply forwarded nor split, by what they are. */

import { encodeError } from "../codec/encode.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { Command, Disposition } from "../commands/command.ts";
import { forwardToAny } from "./any-server.ts";
import { handleBlocking } from "./blocking/handler.ts";
import { broadcast } from "./keyless/broadcast.ts";
import { handleSpecial } from "./keyless/special.ts";
import { answerLocally } from "./local/commands.ts";
import { answerOwn, isOwn } from "./local/proxy-own.ts";
import { handlePubSub } from "./pubsub/handler.ts";
import type { RedisClient } from "./redis-client.ts";
import { handleScript } from "./scripts/handler.ts";
import { handleTransaction } from "./transaction/transaction.ts";

/**
 * Takes the request at hand: answers it (`answer`, `refuse`), or opens a slot in the session's ring and sees to it that it is
 * settled once.
 * @returns false: it cannot be taken now, and nothing was done about it; it comes again when the session is woken
 */
export type Handler = (client: RedisClient, command: Command, view: RequestView) => boolean;

const HANDLERS: Readonly<Record<Exclude<Disposition, "key" | "keys" | "split">, Handler>> = {
  any: forwardToAny,
  broadcast,
  blocking: handleBlocking,
  transaction: handleTransaction,
  pubsub: handlePubSub,
  script: handleScript,
  local: answerLocally,
  special: handleSpecial,
  refused: refuse,
};

/** Takes a request that is none for keys of one kind. */
export function handleOther(
  client: RedisClient,
  command: Command,
  view: RequestView,
  disposition: keyof typeof HANDLERS,
): boolean {
  if (isOwn(client, command)) return answerOwn(client, command, view);
  return HANDLERS[disposition](client, command, view);
}

function refuse(client: RedisClient, command: Command): boolean {
  client.refuse(encodeError(`ERR ${command.refusal}`));
  return true;
}
