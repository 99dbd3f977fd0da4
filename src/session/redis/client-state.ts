import type { RespVersion } from "../../protocol/redis/encode.ts";

/**
 * What a Redis client has told or agreed with the proxy. Plain JSON data: it moves with the session. What a program of
 * an earlier version saved may lack fields: they have the values of `startState`.
 */
export interface RedisClientState {
  /** CLIENT ID; unique over all workers. */
  readonly id: number;
  /** CLIENT SETNAME; "" is none. One character per byte. */
  name: string;
  libraryName: string;
  libraryVersion: string;
  isAuthenticated: boolean;
  version: RespVersion;
  /** As the client sees it: with a fixed database of the pool, always 0. */
  database: number;
  /** Who the client is for the servers, one character per byte; null with a password: the form of AUTH that names nobody. */
  user: string | null;
  /** null: its requests go as whoever the pool is. */
  password: string | null;
}

export function startState(id: number, isAuthenticated: boolean): RedisClientState {
  return {
    ...{ id, name: "", libraryName: "", libraryVersion: "", isAuthenticated, version: 2 },
    ...{ database: 0, user: null, password: null },
  };
}
