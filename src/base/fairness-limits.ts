/** The bounds that keep one client from holding up its neighbours. */

const KIB = 1024;

/** A client to which so many bytes are owed, or that sends so many at once, is heavy: it gets server connections apart from the others … */
export const HEAVY_BYTES: number = 256 * KIB;
/** … until it has moved less for so long. */
export const HEAVY_REST_MS = 10_000;
/** A client that turns out to be heavy within so long after it has come was heavy from its first request on. */
export const NEW_CLIENT_MS = 1000;
/** After such a client, those that come within so long begin as heavy ones … */
export const HEAVY_NEWCOMERS_MS = 60_000;
/** … until they have had so many replies that were not large. */
export const HEAVY_NEWCOMER_REPLIES = 16;
/** A client is known when it has had so many replies that it had to wait for. Clients that are not may have … */
export const KNOWN_REPLIES = 16;
/** … so many requests on their way over a pool's plain connections, in each worker; who comes beyond that begins as a heavy one, with a single request. */
export const UNKNOWN_REPLIES_MAX = 16;
/** Connections for heavy clients are closed when they were unused for so long. */
export const HEAVY_IDLE_MS = 30_000;
/** Clients are accepted, and ends of connections dealt with, until a turn of the event loop has taken so long … */
export const PACED_TURN_MS = 1;
/** … but so many in each turn, whatever else it had to do. */
export const PACED_TASKS_MIN = 8;
/** Keys of one request that are split over servers, or whose values are put together again, in one turn of the event loop. */
export const KEYS_AT_ONCE = 2000;
