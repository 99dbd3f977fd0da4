import type { RespVersion } from "../../protocol/redis/encode.ts";
import type { SavedSubscriptions } from "./pubsub/subscriber.ts";

/** What a Redis client has told or agreed with the proxy. Plain JSON data: it moves with the session. */
export interface RedisClientState {
  /** CLIENT ID; unique over all workers. */
  readonly id: number;
  /** CLIENT SETNAME; "" is none. One character per byte. */
  name: string;
  libraryName: string;
  libraryVersion: string;
  isAuthenticated: boolean;
  version: RespVersion;
  /** Absent: none. */
  subscriptions?: SavedSubscriptions;
}

export function startState(id: number, isAuthenticated: boolean): RedisClientState {
  return { id, name: "", libraryName: "", libraryVersion: "", isAuthenticated, version: 2 };
}
