/** Bounds of what is kept of busy and large keys. See `limits.ts`. */
const KIB = 1024;

/** A worker tells of keys so often, while there are requests. */
export const KEYS_TOLD_MS = 2_000;
/** Of the busiest keys of a pool a worker tells so many at a time, and of the largest. */
export const KEYS_TOLD_MAX = 32;
/** Keys that are counted at a time, of one pool in one worker: the least busy one makes room for another. */
export const KEYS_COUNTED_MAX = 512;
/** Keys of one request that are counted, the first ones. */
export const KEYS_OF_REQUEST_MAX = 64;
/** Requests that stand for one that is looked at: no more, however many there are. */
export const KEYS_INTERVAL_MAX = 1_000_000;
/** Large replies and requests of one pool that a worker looks into in BIG_LOOKS_MS, at most. */
export const BIG_LOOKS_MAX = 20;
export const BIG_LOOKS_MS = 100;
/** `proxy hotkeys` tells of so long, in so many parts. */
export const HOT_WINDOW_MS = 60_000;
export const HOT_WINDOW_PARTS = 12;
/** Busy keys of one pool that the supervisor knows of each part. */
export const HOT_KEPT_MAX = 1024;
/** Keys of one pool that are counted while HOTKEYS tracks them, by each of its metrics. */
export const TRACKED_KEYS_MAX = 1024;
/** Big keys of one pool that the supervisor knows, the largest ones … */
export const BIG_KEPT_MAX = 256;
/** … and none that was not seen for so long. */
export const BIG_KEPT_MS: number = 24 * 60 * 60 * 1000;
/** Requests of each second that a pool may want to be looked at, in each worker. */
export const HOT_SAMPLES_MAX = 10_000;
/** What a pool may call a big key at the least. */
export const BIG_KEYS_BYTES_MIN: number = KIB;
/** Of a longer key it is not looked at what the reply tells of its size. */
export const SAMPLED_KEY_BYTES_MAX: number = KIB;
