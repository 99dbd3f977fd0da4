/** Who a shared subscription's clients are for the servers; see RedisClientState. */
export interface ServerUser {
  readonly user: string | null;
  readonly password: string | null;
}

/** What of a client's subscriptions must survive a move to another process. Names: one character per byte. */
export interface SavedSubscriptions {
  /** Its shared subscription's id (it was called a hub): clients of one shared subscription stay together. */
  readonly hub: string;
  readonly as: ServerUser;
  readonly channels: readonly string[];
  readonly patterns: readonly string[];
  readonly shards: readonly string[];
  /** So many more names follow, in packets of their own. */
  readonly toCome?: number;
}
