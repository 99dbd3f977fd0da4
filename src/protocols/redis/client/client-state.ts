import type { RespVersion } from "../codec/encode.ts";
import type { SavedBlock } from "./blocking/client-block.ts";
import type { SavedPlace } from "./place.ts";
import type { SavedSubscriptions } from "./pubsub/saved-subscriptions.ts";
import type { WantedReplies } from "./reply-switch.ts";
import type { SavedTransaction } from "./transaction/client-transaction.ts";

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
  /** Who the client is for the servers, one character per byte; null with a password: the form of AUTH that names no user. */
  user: string | null;
  /** null: its requests go as the user of the pool. */
  password: string | null;
  noEvict: boolean;
  noTouch: boolean;
  /** CLIENT MAINT_NOTIFICATIONS; "told": and it has heard of something that is not over. */
  maintenance: "off" | "on" | "told";
  /** When it is told to move it wants to hear no address: it connects again to where it is configured. */
  movesToSelf: boolean;
}

/** What is saved of a client: with what only its frontend has while it lives. */
export interface SavedRedisClient extends RedisClientState {
  readonly connections?: SavedConnections | undefined;
  /** Absent: neither in MULTI nor watching. */
  readonly transaction?: SavedTransaction | undefined;
  /** Absent: subscribed to nothing. */
  readonly subscriptions?: SavedSubscriptions | undefined;
  /** Absent: it wants them all. */
  readonly replies?: WantedReplies | undefined;
  /** Since when it is connected, and since when it has asked for nothing. */
  readonly ageMs?: number;
  readonly idleMs?: number;
  /** The last request's. */
  readonly command?: { readonly name: string } | undefined;
}

/** Plain JSON data. */
export interface SavedConnections {
  readonly pin?: SavedPlace;
  readonly block?: SavedBlock;
}

export function startState(id: number, isAuthenticated: boolean): RedisClientState {
  // Not spread from parts: it is made for each client that connects, and copying properties costs more than all else of it.
  return {
    id,
    name: "",
    libraryName: "",
    libraryVersion: "",
    isAuthenticated,
    version: 2,
    database: 0,
    user: null,
    password: null,
    noEvict: false,
    noTouch: false,
    maintenance: "off",
    movesToSelf: false,
  };
}

/** What of `saved` the client goes on with for as long as it is connected. */
export function lastingState(saved: SavedRedisClient): RedisClientState {
  const { connections, transaction, subscriptions, replies, ...rest } = saved;
  const { ageMs, idleMs, command, ...lasting } = rest;
  return lasting;
}

/** What programs that read no more than format 1 of packets know of a client, or may well forget. */
const KNOWN_SINCE_FORMAT_1: ReadonlySet<string> = new Set([
  ...["id", "name", "libraryName", "libraryVersion", "isAuthenticated", "version"],
  ...["noEvict", "noTouch", "maintenance", "movesToSelf", "ageMs", "idleMs", "command"],
]);

const NAMES_MAX_IN_FORMAT_1 = 16 * 1024;

/** The lowest format of packets whose readers understand all that `saved` says. */
export function formatFor(saved: SavedRedisClient): number {
  const { id, name, libraryName, libraryVersion } = saved;
  // Format 1 has no room for more.
  if (name.length + libraryName.length + libraryVersion.length > NAMES_MAX_IN_FORMAT_1) return 2;
  const unset: Readonly<Record<string, unknown>> = { ...startState(id, true) };
  const isNew = Object.entries(saved).some(
    ([field, value]) => !KNOWN_SINCE_FORMAT_1.has(field) && value !== unset[field],
  );
  return isNew ? 2 : 1;
}
