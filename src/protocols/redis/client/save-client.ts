import type { SavedRedisClient } from "./client-state.ts";
import { saveConnections } from "./own-connections.ts";
import type { RedisClient } from "./redis-client.ts";

/** All that another process must know of a client. */
export function saveClient(client: RedisClient): SavedRedisClient {
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
    subscriptions: client.features.subscriber?.save(),
    transaction: client.features.transaction?.save() ?? undefined,
  };
}
