/** Scripts and functions. */
import type { Command } from "../../protocol/redis/command.ts";
import { encodeError } from "../../protocol/redis/encode.ts";
import type { RequestView } from "../../protocol/redis/request-view.ts";
import type { RedisFrontend } from "./redis-frontend.ts";

export function handleScript(client: RedisFrontend, command: Command, view: RequestView): boolean {
  if (command.keySpecs.length > 0) return client.forwardKeys(view, command);
  client.refuse(encodeError(`ERR '${command.name}' is not supported through this proxy`));
  return true;
}
