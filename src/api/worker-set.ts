/** Which workers serve which pools. */

/**
 * Workers of a generation that serve the same pools: those with workers of their own have a set each, all others share one. Their indexes
 * in the generation follow each other.
 */
export interface WorkerSet {
  /** The pool whose own workers they are; null: the shared ones. */
  readonly pool: string | null;
  /** Names of the pools whose clients they serve. Requests of these may be routed to other pools. */
  readonly pools: readonly string[];
  /** The index of its first worker. */
  readonly first: number;
  readonly size: number;
}
