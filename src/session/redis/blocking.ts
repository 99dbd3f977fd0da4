/** Commands that may hold up their connection until something happens. */
import type { Command } from "../../protocol/redis/command.ts";
import { encodeError } from "../../protocol/redis/encode.ts";
import { findKeyword } from "../../protocol/redis/find-keys.ts";
import type { RequestView } from "../../protocol/redis/request-view.ts";
import type { RedisFrontend } from "./redis-frontend.ts";

export function handleBlocking(
  client: RedisFrontend,
  command: Command,
  view: RequestView,
): boolean {
  if (!mayBlock(command, view)) return client.forwardKeys(view, command);
  client.refuse(encodeError(`ERR '${command.name}' is not supported through this proxy`));
  return true;
}

function mayBlock(command: Command, view: RequestView): boolean {
  if (command.name === "XREAD") return hasBlock(view, 1);
  if (command.name === "XREADGROUP") return hasBlock(view, 4);
  return true;
}

/** XREAD [COUNT n] [BLOCK ms] [NOACK] STREAMS … */
function hasBlock(view: RequestView, from: number): boolean {
  const streams = findKeyword(view, "STREAMS", from);
  const block = findKeyword(view, "BLOCK", from);
  return block > 0 && (streams < 0 || block < streams);
}
