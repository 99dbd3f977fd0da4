/** Bounds of what the proxy does about servers and clients that do not answer. */

/** Servers are asked no more often than this, whatever `health_check` says. */
export const PROBE_INTERVAL_MS_MIN = 20;
/** A server is asked out of turn, because something tells against it, no sooner than this after it was asked last. */
export const PROBE_SOON_MS = 100;
/** Answers that come within this time are told to the other workers in one message. */
export const PROBE_GATHER_MS = 10;
/** What is told of a probe that failed is cut at this many characters. */
export const PROBE_TEXT_MAX = 160;
/** A worker that hears of no probes asks itself after so many intervals, and up to one more by chance. */
export const PROBE_TURNS = 1.25;
/** What is down is retained anew after so many intervals; what was retained three times as long ago is not believed. */
export const PROBE_RETAIN_TURNS = 5;
/** When the worker that asks leaves, another one takes its turn within this time. */
export const PROBE_TAKE_OVER_MS = 50;
/** Connections to one server that are made at once, over all workers; of these each worker has its share, and two at least. */
export const CONNECTS_AT_ONCE = 64;
export const CONNECTS_AT_ONCE_MIN = 2;
/** Requests that may be on a connection at first that was down; with each reply there may be one more. */
export const SLOW_START_REQUESTS = 32;
/** A server that answers its probes, and not what clients ask, stays suspect until nothing has told against it for so long. */
export const SUSPECT_QUIET_MS = 5_000;
/** Clients are looked at so often, by `client_idle_timeout` and `request_timeout`. */
export const CLIENT_SWEEP_MS_MIN = 50;
export const CLIENT_SWEEP_MS_MAX = 5_000;
