import { FIRST_KIND } from "../../../../api/upstream.ts";
import { anyServer, serversFor } from "../any-server.ts";
import type { RedisClient } from "../redis-client.ts";

/**
 * Lets a client in that gave no password, if the servers want none.
 * @returns false: they are being asked; its request is to be tried again when the session is woken
 */
export function isAccessKnown(client: RedisClient): boolean {
  const { pool, session } = client;
  const { access } = pool.variants;
  if (pool.password !== null) return true;
  if (access.needsPassword === null) {
    // Whichever answers first: one that hangs keeps no client of the others waiting.
    const connections = serversFor(client)
      .map((upstream) => upstream.connection(session.lane, FIRST_KIND))
      .filter(({ refusal }) => refusal === null);
    for (const connection of connections) session.waitFor(connection);
    if (connections.length > 0) return false;
    // No server can be asked. Whatever the client is going to want of the servers, they will tell it themselves.
  }
  if (access.isDue(pool.turn.nowMs)) askAnew(client);
  if (access.needsPassword !== true) client.setAuthenticated(true);
  return true;
}

/** Clients that are here meanwhile are treated by what was known. */
function askAnew(client: RedisClient): void {
  const lease = anyServer(client)?.lease(FIRST_KIND, client.session.origin) ?? null;
  lease?.whenReady(() => lease.release(false));
}
