import type { Link } from "../../../api/upstream.ts";
import type { RedisClient } from "./redis-client.ts";

/** Whether the request at hand may wait for `link`, whose server is lost. Then the client is woken when that has been decided. */
export function awaitsRecovery({ session }: Pick<RedisClient, "session">, link: Link): boolean {
  if (link.refusal === null || link.isRecovering !== true) return false;
  session.waitFor(link);
  return true;
}
