/**
 * What is told of the keys of a pool: which are asked for most, and which are large. Workers tell the supervisor of a sample of requests
 * (see client/pool-keys.ts), and it joins what they tell.
 *
 * Keys are as `shownKey` writes them, the first SLOW_KEY_BYTES_MAX bytes: longer ones that begin alike are one. A reader may be of another
 * version: fields are only added.
 */

/** A busy key, as a worker tells it. */
export interface HotKeyPart {
  readonly key: string;
  /** The command that asked for it last. */
  readonly command: string;
  /** Where it is now; null: no server is left for it. */
  readonly server: string | null;
  /** Requests that name it, estimated from the sample, and their bytes with those of the replies. */
  readonly requests: number;
  readonly bytes: number;
  /** Requests that were looked at and named it. */
  readonly samples: number;
  /** Microseconds from these requests' arrival until their replies, estimated likewise. Absent: its worker is older than this. */
  readonly us?: number;
}

/** A large key, as a worker tells it. */
export interface BigKeyPart {
  readonly key: string;
  readonly command: string;
  readonly server: string | null;
  /** Of the largest reply or request that was about it; 0: none was large. */
  readonly bytes: number;
  /** The most elements that a reply told of; null: none did. */
  readonly elements: number | null;
  /** The client of that request: its number and address, see ClientRow. */
  readonly client: number;
  readonly address: string;
}

/** Of one pool in one worker, since it told last. */
export interface KeyReport {
  readonly pool: string;
  /** Requests that came, and those of them that were looked at. */
  readonly requests: number;
  readonly samples: number;
  /** The busiest first. */
  readonly hot: readonly HotKeyPart[];
  readonly big: readonly BigKeyPart[];
}

/** A busy key over all workers. */
export interface HotKeyRow extends HotKeyPart {
  readonly pool: string;
  readonly perSecond: number;
  /** Of all requests of the pool: 0 … 1. */
  readonly share: number;
}

export interface HotKeysReport {
  /** The busiest first. */
  readonly rows: readonly HotKeyRow[];
  /** So long are requests counted, in milliseconds. */
  readonly windowMs: number;
  /** All requests in that time, and those that were looked at. */
  readonly requests: number;
  readonly samples: number;
}

/** A large key over all workers. */
export interface BigKeyRow extends BigKeyPart {
  readonly pool: string;
  /** Times that it was noticed. */
  readonly seen: number;
  /** When that was last, in milliseconds since the epoch. */
  readonly atMs: number;
}

export const BIG_KEY_ORDERS = ["bytes", "elements"] as const;
export type BigKeyOrder = (typeof BIG_KEY_ORDERS)[number];

export interface BigKeysReport {
  /** In the order that was asked for. */
  readonly rows: readonly BigKeyRow[];
  /** So many are known. */
  readonly kept: number;
}
