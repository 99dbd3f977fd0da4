/**
 * What operators look at in a running proxy besides what is counted: the supervisor asks all workers over the worker bus, and joins what
 * they answer. It is plain JSON data, and the same for commands, the admin's HTTP and what clients may ask for.
 *
 * A reader may be of another version: fields are only added, and what is absent is not known.
 */

/** By what clients are ordered, the most of it first. */
export const CLIENT_ORDERS = [
  "requests",
  "received",
  "sent",
  "pending",
  "owed",
  "age",
  "idle",
  "wait",
] as const;
export type ClientOrder = (typeof CLIENT_ORDERS)[number];

/** What a client is doing; the first that is true. */
export const CLIENT_STATES = [
  /** It takes no more requests, or is on its way to another worker. */
  "leaving",
  /** It waits for what another client does: BLPOP and the like. */
  "blocked",
  /** It has begun a transaction, or watches keys for one. */
  "transaction",
  /** It gets what is published. */
  "subscribed",
  /** An operator has its pool wait. */
  "paused",
  /** It is over a limit of its pool, and not read until its turn. */
  "throttled",
  /** Replies lie here that it does not take. */
  "unread",
  /** Replies are awaited for it. */
  "waiting",
  "idle",
] as const;
export type ClientState = (typeof CLIENT_STATES)[number];

/** Which clients are wanted: those that all of it is true of. Null: any. */
export interface ClientFilter {
  readonly pool: string | null;
  /** Its address begins so. */
  readonly address: string | null;
  readonly name: string | null;
  readonly user: string | null;
  readonly state: ClientState | null;
}

export interface ClientQuery extends ClientFilter {
  readonly order: ClientOrder;
  /** At most so many, the first in that order. */
  readonly limit: number;
}

/** One client. Times in milliseconds, sizes in bytes; what is counted is so since it connected. */
export interface ClientRow {
  /** Unique over all workers; of a Redis client the one that `CLIENT ID` tells. */
  readonly id: number;
  readonly pool: string;
  /** `host:port`, or "unix". */
  readonly address: string;
  /** As it named itself; "": it did not. */
  readonly name: string;
  /** "": its protocol knows none. */
  readonly user: string;
  /** The slot of its worker. */
  readonly worker: number;
  readonly ageMs: number;
  /** Since it sent something. */
  readonly idleMs: number;
  readonly requests: number;
  /** Bytes that it has sent, and that it was sent. */
  readonly received: number;
  readonly sent: number;
  /** How long the oldest request has waited for its reply; 0: none does. Absent: its worker is older than this. */
  readonly waitMs?: number;
  /** Requests that wait for their reply. */
  readonly pending: number;
  /** Memory that replies take which it has not taken. */
  readonly owed: number;
  readonly state: ClientState;
}

export interface ClientReport {
  /** Clients that there are, and those that the filter fits. */
  readonly total: number;
  readonly matching: number;
  /** In the order that was asked for. */
  readonly rows: readonly ClientRow[];
}

/** Clients that are to be disconnected: the one of that id, or those at that address. */
export type KickTarget =
  | { readonly id: number }
  /** As `ClientRow.address` says it. */
  | { readonly address: string };

export interface KickedClient {
  readonly id: number;
  readonly pool: string;
  readonly address: string;
  readonly name: string;
}

/** A request that took long, as its worker tells it. Times in microseconds, sizes in bytes; null: it is not known. */
export interface SlowRequest {
  readonly pool: string;
  /** The client's number, see ClientRow. */
  readonly client: number;
  readonly address: string;
  readonly name: string;
  readonly user: string;
  /** "": it is not known. */
  readonly command: string;
  /** The first one, as `shownKey` writes it. Null as well: keys are hidden, or it has none. */
  readonly key: string | null;
  /** So many that were sent together were answered together: what is said is of the first. */
  readonly requests: number;
  /** From its arrival until its reply was written. */
  readonly totalUs: number;
  /** The server that took long, until the request was sent to it, and from then until the reply. */
  readonly server: string | null;
  readonly queueUs: number | null;
  readonly serverUs: number | null;
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** In place of a reply. */
  readonly failure: string | null;
  /** When its reply was written, by the worker's own clock. */
  readonly agoFromMs: number;
}

/** As the supervisor keeps it. */
export interface SlowEntry extends Omit<SlowRequest, "agoFromMs"> {
  /** Counts from 1, over upgrades, too. */
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** "worker/2" */
  readonly worker: string;
}

export interface SlowLogReport {
  /** The oldest first. */
  readonly entries: readonly SlowEntry[];
  /** So many are kept. */
  readonly kept: number;
  /** Requests over the threshold of which no entry was made, because there were too many at once. */
  readonly missed: number;
}

/** One row of a table for clients, by the names of the columns. */
export type ShownRow = Readonly<Record<string, string | number>>;

/** What a client is shown that asks the proxy about itself. */
export type ShownTable = { readonly rows: readonly ShownRow[] } | { readonly problem: string };

/** On the bus of a pool: the supervisor itself answers `{ table }` with a ShownTable. */
export const SHOW_TABLE = "show";

/** Topics of the worker bus on which workers are asked. */
export const INSPECT_CLIENTS = "inspect clients";
export const KICK_CLIENTS = "kick clients";
