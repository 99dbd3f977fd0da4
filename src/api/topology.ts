/** Who is there: the servers of one pool, as they come and go. Choosing among them is the business of a Route. */
import type { Address, ServerConfig } from "./config.ts";

/** One server, for as long as it is the same server. */
export interface Member {
  /** Names it in all processes. Another address is another member, unless the topology knows that it is the same server. */
  readonly id: string;
  readonly server: ServerConfig;
  /** It is a copy of another member's data. */
  readonly isReplica?: true;
}

/** A replica is called by its address, `name`. */
export function replicaAt(address: Address, name: string): Member {
  return { id: `replica ${name}`, server: { name, address, weight: 1 }, isReplica: true };
}

/** Slots of a cluster: each key belongs to one, by its hash. */
export const SLOTS = 16_384;

export interface Topology {
  /**
   * In ring order. Never changed in place: another array when something has changed. Never empty, unless the protocol does without
   * servers.
   */
  readonly members: readonly Member[];
  /**
   * Absent: the pool's ring spreads keys over the members. Else, by slot, the number of the member that has it; -1: none. Another
   * array when `members` is another; in between single values may change.
   */
  readonly slots?: Int16Array | undefined;
  /** By number of a member, its replicas; another array when they have changed. Absent: none is known. */
  readonly replicas?: readonly (readonly Member[])[] | undefined;
  /** Members that stand in for those of `members` that are down. Absent: there are none. They never change. */
  readonly spares?: readonly Member[] | undefined;
  /** Grows with each change of `members` or `replicas`. */
  readonly epoch: number;
  /** `onChange` is called after each change, never during `watch`. To be called once. */
  watch(onChange: () => void): void;
  close(): void;
}
