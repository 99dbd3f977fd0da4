import type { RespVersion } from "../../protocol/redis/encode.ts";
import type { SavedSubscriptions } from "./pubsub/subscriber.ts";
import type { SavedQueue } from "./transaction-queue.ts";

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
  /** Absent: neither in MULTI nor watching. Only as saved: a living client's is in its frontend. */
  transaction?: SavedTransaction;
  /** Absent: subscribed to nothing. Only as saved, too. */
  subscriptions?: SavedSubscriptions;
}

export function startState(id: number, isAuthenticated: boolean): RedisClientState {
  return {
    ...{ id, name: "", libraryName: "", libraryVersion: "", isAuthenticated, version: 2 },
    ...{ database: 0, user: null, password: null },
  };
}

export interface TransactionProgress {
  /** MULTI was answered, and neither EXEC nor DISCARD has come. */
  isOpen: boolean;
  /** EXEC will be refused: the client was told an error. */
  isDirty: boolean;
  /** The server has got MULTI. */
  isAtServer: boolean;
  /** The server watches keys for this client. */
  isWatching: boolean;
  /** It did, and was lost: whether they have changed is unknown. */
  isWatchLost: boolean;
  /** The server was lost with queued requests, or would not open a transaction: the error, without its code. */
  lost: string | null;
}

/** What of a transaction moves with its session. */
export interface SavedTransaction extends TransactionProgress {
  readonly queue: SavedQueue;
}
