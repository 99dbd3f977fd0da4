/** What a RESP2 client may do while it is subscribed: messages look like replies to it, so Redis allows nearly nothing else. */

import { encodeError, encodeValue } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { Mode } from "../mode.ts";
import type { RedisClient } from "../redis-client.ts";
import { wrongArity } from "../refusals.ts";

const ALLOWED = /^([PS]?(UN)?SUBSCRIBE|QUIT|RESET)$/;

class SubscribedMode implements Mode {
  private readonly client: RedisClient;

  constructor(client: RedisClient) {
    this.client = client;
  }

  handle(command: Command, view: RequestView): boolean {
    const { client } = this;
    if (command.name === "PING") {
      client.answer(pong(command, view));
      return true;
    }
    if (ALLOWED.test(command.name)) return client.dispatch(command, view);
    const name = command.name.toLowerCase();
    const allowed = "(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET";
    client.refuse(
      encodeError(`ERR Can't execute '${name}': only ${allowed} are allowed in this context`),
    );
    return true;
  }

  onRefused(): void {}
}

function pong(command: Command, view: RequestView): Buffer {
  if (view.count > 2) return wrongArity(command);
  const text = view.count === 1 ? "" : view.text(1);
  return encodeValue(["pong", Buffer.from(text, "latin1")], 2);
}

/** To be called when a client's subscriptions or its protocol version have changed. */
export function updateMode(client: RedisClient): void {
  const isRestricted = client.state.version === 2 && (client.features.subscriber?.total ?? 0) > 0;
  const isNow = client.mode instanceof SubscribedMode;
  if (isRestricted && !isNow) client.setMode(new SubscribedMode(client));
  else if (!isRestricted && isNow) client.setMode(null);
}
