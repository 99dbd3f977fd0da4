/** Bounds of reading from replicas. */

/** A worker of a host asks the replicas of a pool so often how far behind they are. */
export const REPLICA_LOOK_MS = 1_000;
/** A worker that lacks what it needs for a read asks so soon after another one has begun to. */
export const REPLICA_LOOK_AGAIN_MS = 100;
/** A replica of which nothing was heard for so long is not read. */
export const REPLICA_NEWS_MS_MAX = 6_000;
/** The first reads for a primary wait so long in a worker that knows nothing of that primary's replicas. */
export const REPLICA_FIRST_NEWS_MS = 1_000;
