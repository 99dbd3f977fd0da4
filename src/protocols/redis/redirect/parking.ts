/** How long, and how much, requests of one pool wait in one worker for a server that does not serve. */
import type { RedisOptions } from "../options.ts";

export interface Parking {
  /** Requests wait so long, counted from the beginning of the outage; null: they do not, but for servers that say so themselves. */
  windowMs: number | null;
  requestsMax: number;
  bytesMax: number;
  /** So many go on in a second when a server serves again. */
  ratePerSecond: number;
  /** What would wait is told to the log, and does not. */
  isDryRun: boolean;
}

export function parkingOf(options: RedisOptions): Parking {
  return {
    windowMs: options.failoverParkMs,
    requestsMax: options.failoverParkRequests,
    bytesMax: options.failoverParkBytes,
    ratePerSecond: options.failoverParkRate,
    isDryRun: options.failoverParkDryRun,
  };
}
