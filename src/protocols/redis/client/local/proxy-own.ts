/** Commands of Redis that are answered for the proxy where the pool's `proxy_commands` are allowed: not in a transaction, and not while subscribed. */
import type { RequestView } from "../../codec/request-view.ts";
import { type Command, DENIED } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";
import { answerHotKeys } from "./proxy-hotkeys.ts";
import { answerLatency } from "./proxy-latency.ts";
import { answerSlowLog } from "./proxy-slowlog.ts";

const NAME =
  /^(SLOWLOG\|(GET|LEN|RESET|HELP)|LATENCY\|(LATEST|HISTORY|RESET|HISTOGRAM|DOCTOR|HELP)|HOTKEYS(\|.*)?)$/;

/** A command of the servers that is the proxy's here. */
export function isOwn(client: RedisClient, { name, refusal }: Command): boolean {
  const { pool, mode, pin } = client;
  const isOurs = NAME.test(name) && !refusal.endsWith(DENIED) && pool.operators.areAllowed();
  return isOurs && mode === null && pin === null;
}

/** @returns false: not now, see Handler */
export function answerOwn(client: RedisClient, command: Command, view: RequestView): boolean {
  if (command.name.startsWith("HOTKEYS")) return answerHotKeys(client, view);
  if (command.name.startsWith("LATENCY")) return answerLatency(client, command, view);
  return answerSlowLog(client, command, view);
}
