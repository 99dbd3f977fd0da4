/** Rings of a simulated migration, and its sizes. */
import type { RingPlan } from "../../../src/api/migration.ts";

/** Faults that can be put into the world by hand: each must be found. */
export type Hazard =
  | "none"
  | "no_hold"
  | "no_quiet"
  | "copy_not_move"
  | "put_without_lock"
  | "drop_without_lock"
  | "settled_when_put"
  | "settled_survives_epoch"
  | "late_worker_old_ring"
  | "orphans_forgotten"
  | "answer_to_earlier_order"
  | "told_before_written"
  | "sweeper_outlives_cancel"
  | "locks_passed_over"
  | "blind_delete_target_first"
  // Of several hosts.
  | "yes_unwritten"
  | "own_release"
  | "silent_not_awaited"
  | "starts_by_its_file"
  | "leaves_early"
  | "any_version"
  // Of servers without scripts:
  | "added_without_date"
  | "added_late"
  | "put_without_version"
  | "drop_without_version"
  | "late_drop_counts"
  | "lock_not_looked_at";

/** Of the servers: with scripts, or where a step depends on one item only. */
export type Kind = "redis" | "memcache";

export const SERVERS = 4;
export const KEYS = 12;
export const WORKERS = 2;
/** The supervisor's patience with a switch. */
export const HOLD_MS = 250;
/** Orphans have ended by then: what a supervisor that starts anew waits for before it switches. */
export const ORPHAN_MS = 600;

/** A ring is a table here: its plan's only server stands for the number of the table. */
export type Table = readonly number[];

export function planOfTable(number: number): RingPlan {
  // The address names each server that has keys: all of them, for every ring.
  const servers = Array.from({ length: SERVERS }, (_, i) => ({
    name: `s${i}`,
    address: { kind: "tcp" as const, host: `s${i}`, port: 1 },
    weight: 1,
  }));
  return {
    ...{ hash: "fnv1a_64", hashSignedChar: false, hashTag: null, distribution: "ketama" },
    servers: [{ ...servers[0]!, weight: number + 1 }, ...servers.slice(1)],
  };
}

export function numberOfPlan({ servers }: RingPlan): number {
  return servers[0]!.weight - 1;
}
