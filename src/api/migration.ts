/**
 * How keys of a pool move to other servers while its clients go on: the plan, and what each process is told of it.
 *
 * The supervisor owns the plan. Workers follow its orders; the sweeper moves the keys that no client asks for. See decision 21.
 */
import type { PoolConfig } from "./config.ts";

/** All that decides which server a key of a pool is on. */
export type RingPlan = Pick<
  PoolConfig,
  "hash" | "hashSignedChar" | "hashTag" | "distribution" | "servers"
>;

/**
 * - `before`: keys are where `from` says.
 * - `moving`: keys belong where `to` says. One that is still where `from` says is moved before it is used.
 */
export type MigrationPhase = "before" | "moving";

export interface PoolMigration {
  readonly pool: string;
  /** Grows with each migration of any pool: what was begun for an earlier one is refused by servers. */
  readonly epoch: number;
  readonly phase: MigrationPhase;
  /** Requests wait; a worker answers when it has none at a server. */
  readonly isHeld: boolean;
  /** Held requests are refused in place of waiting: it is not known which ring holds. Absent: they wait. */
  readonly isRefused?: boolean;
  readonly from: RingPlan;
  readonly to: RingPlan;
  /** Addresses of servers of `from` that have no key left that belongs elsewhere. */
  readonly swept: readonly string[];
}

/** Everything that holds: a process that has the latest order has missed nothing. */
export interface MigrationOrder {
  /** Grows with each order; an older one is passed over. */
  readonly revision: number;
  /** Pools that are not here are where their configuration says. */
  readonly pools: readonly PoolMigration[];
}

export const NO_MIGRATION: MigrationOrder = { revision: 0, pools: [] };

/** The topic, in a pool, of a query for KeyCounts; null as an answer: a server did not answer. */
export const KEY_COUNTS = "key_counts";

/** What all servers of a pool have. */
export interface KeyCounts {
  readonly keys: number;
  readonly bytes: number;
  /** So many would move in a second at the most. */
  readonly keysPerSecond: number;
}

/** How far the sweeper is with one server. */
export interface ServerSweep {
  readonly address: string;
  readonly keys: number;
  readonly seen: number;
  readonly found: number;
  readonly failed: number;
  /** Why the last one of those failed; "": none did. */
  readonly why: string;
}

/** Has the keys of all servers looked at, whether each is where it belongs. Only while no keys move. */
export interface VerifyOrder {
  readonly verb: "verify_keys";
  /** Null: all pools whose keys may move. */
  readonly pool: string | null;
  readonly mend: Mend | null;
  /** So many keys of each server at the least, and few more; null: all. */
  readonly sample: number | null;
}

/**
 * What becomes of strays, which are keys on a server where no request looks for them. `move`: one goes to the server that it belongs to, unless
 * that has one of the same name, and is gone from where it was. `remove`: it is gone.
 */
export type Mend = "move" | "remove";
export const MENDS: readonly Mend[] = ["move", "remove"];

export interface PoolVerification {
  readonly pool: string;
  readonly servers: readonly ServerVerification[];
}

export interface ServerVerification {
  readonly address: string;
  readonly keys: number;
  readonly seen: number;
  readonly strays: number;
  /** Strays whose server has a key of the same name. */
  readonly hidden: number;
  readonly mended: number;
  /** Why not all keys could be looked at or mended; "": they could. */
  readonly why: string;
  /** Some strays, shown. */
  readonly examples: readonly string[];
}

/** The keys of servers that lock a key while it moves begin with this; behind it is the key. */
export const MOVE_LOCK_PREFIX = "proxy:moving:";
