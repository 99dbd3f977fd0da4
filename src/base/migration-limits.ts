/** Bounds of moving keys to other servers. */

/** Keys that a worker knows to have moved take so much of its memory at the most, for each pool. */
export const SETTLED_KEYS_BYTES_MAX: number = 32 * 1024 * 1024;
/** A value that takes more memory in its server is not moved: it would hold up both servers for too long. */
export const MOVED_VALUE_BYTES_MAX: number = 64 * 1024 * 1024;
/** A request that names more keys is refused while keys move: each takes a place among those that are known to have moved. */
export const MOVING_KEYS_OF_REQUEST_MAX = 50_000;
/** A key that another process is moving is looked at again after this. */
export const MOVE_PAUSE_MS = 3;
/** So long requests wait at the most for those at servers to end, before workers go by another ring; then it is tried again later. */
export const SWITCH_MS_MAX = 250;
/** A switch that did not come about is tried again after this, and later after twice as long each time. */
export const SWITCH_AGAIN_MS = 1_000;
export const SWITCH_AGAIN_MS_MAX = 60_000;
/** A worker that holds requests back for a switch looks so often whether those at servers have ended. */
export const QUIET_LOOK_MS = 1;
/** The sweeper asks a server for about so many keys at a time, and moves them together. */
export const SWEEP_BATCH_KEYS = 100;
/** It leaves a server that is slow alone for so long at the most between two such batches. */
export const SWEEP_REST_MS_MAX = 1_000;
/** A server of which a key could not be moved, or that did not answer, is swept again after this. */
export const SWEEP_AGAIN_MS = 1_000;
/** It says so often how far it is. */
export const SWEEP_TELL_MS = 250;
/** Of a server that lists its keys only as a whole, so many of two kinds are remembered at a time: about 20 MB. Then it lists them anew. */
export const LISTED_KEYS_MAX = 100_000;
/** A server that is just making another list is asked again after this. */
export const LIST_AGAIN_MS = 250;
/** A server that makes a list and says nothing for so long does not go on. */
export const LIST_SILENCE_MS_MAX = 10_000;
/** So many keys that are not where they belong are named, of each server. */
export const STRAYS_SHOWN_MAX = 10;
/** A command that has keys looked at waits for so long at the most. */
export const VERIFY_MS_MAX: number = 24 * 60 * 60 * 1_000;
