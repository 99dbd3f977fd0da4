import type { SavedRedisClient } from "./client-state.ts";
import { saveConnections } from "./own-connections.ts";
import type { RedisFrontend } from "./redis-frontend.ts";

/** All that another process must know of a client. */
export function saveClient(client: RedisFrontend): SavedRedisClient {
  const { nowMs } = client.pool.turn;
  const { wanted } = client.replies;
  const { lastCommand } = client;
  return {
    ...client.state,
    isAuthenticated: client.mayBeAuthenticated,
    replies: wanted === "on" ? undefined : wanted,
    ageMs: nowMs - client.createdMs,
    idleMs: nowMs - client.lastRequestMs,
    command: lastCommand === null ? undefined : { name: lastCommand.name },
    connections: saveConnections(client),
    subscriptions: client.subscriber?.save(),
    transaction: client.transaction?.save() ?? undefined,
  };
}
