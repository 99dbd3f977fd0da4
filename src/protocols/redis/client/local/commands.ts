/** Commands about the client's own connection, which the proxy answers itself in Redis's words. */

import { encodeError } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";
import { wrongArity } from "../refusals.ts";
import { auth, reset, select } from "./auth-commands.ts";
import { CLIENT_COMMANDS } from "./client-commands.ts";
import { CLUSTER_COMMANDS } from "./cluster-commands.ts";
import { hello } from "./hello.ts";
import { argument, bulk, type LocalHandler, OK } from "./local-handler.ts";

const PONG: Buffer = Buffer.from("+PONG\r\n");

const HANDLERS: Readonly<Record<string, LocalHandler>> = {
  PING: ping,
  ECHO: (_client, view) => bulk(argument(view, 1)),
  QUIT: quit,
  AUTH: auth,
  SELECT: select,
  HELLO: hello,
  RESET: reset,
  ...CLIENT_COMMANDS,
  ...CLUSTER_COMMANDS,
};

/** Answers a command whose disposition is "local". */
export function answerLocally(client: RedisClient, command: Command, view: RequestView): boolean {
  const handler = HANDLERS[command.name];
  if (handler === undefined) {
    const shown = command.name.replace("|", " ");
    client.refuse(encodeError(`ERR '${shown}' is not supported through this proxy`));
    return true;
  }
  const reply = handler(client, view, command);
  if (typeof reply === "boolean") return reply;
  client.answer(reply);
  return true;
}

function ping(...[, view, command]: Parameters<LocalHandler>): Buffer {
  if (view.count > 2) return wrongArity(command);
  return view.count === 1 ? PONG : bulk(argument(view, 1));
}

function quit(...[client]: Parameters<LocalHandler>): boolean {
  client.answer(OK);
  client.session.finish();
  return true;
}
