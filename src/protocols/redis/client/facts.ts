import type { ClientFacts } from "../../../api/frontend.ts";
import { typeOf, userOf } from "./local/client-line.ts";
import type { RedisClient } from "./redis-client.ts";

/** A client, as operators see it. */
export function factsOf(client: RedisClient): ClientFacts {
  const { state } = client;
  return { id: state.id, name: state.name, user: userOf(client), state: stateOf(client) };
}

function stateOf(client: RedisClient): ClientFacts["state"] {
  const { block, transaction } = client.features;
  if (block !== null) return "blocked";
  if (transaction !== null) return "transaction";
  return typeOf(client) === "pubsub" ? "subscribed" : null;
}
