/**
 * The histograms that every pool and server has, in microseconds and bytes; and the families of commands.
 *
 *   client ─arrival─▶ proxy ─queued─▶ ─sent─▶ server ─▶ reply ─▶ written to the client
 *                     │      queue_us      │  server_us  │             │
 *                     └──────────────────── total_us ─────────────────┘
 *
 * Arrival, and a reply's coming, is when the event loop's turn began in which the bytes were read: as a rule they lay ready then. "Sent" and
 * "written" is just before the system is given the bytes. So a time may be wrong by as much as a turn takes, which `turn_us` tells.
 */
import { defineMetrics, type MetricSet } from "./metrics.ts";
import { ACCESS, type Access } from "./request-facts.ts";

/** What kind of command a request is. */
export const FAMILY = {
  /** One key, and nothing changes. */
  read: 0,
  /** One key, and something may change. */
  write: 1,
  /** Several keys, or all servers. */
  multi: 2,
  /** A script or function. */
  script: 3,
  /** May wait for what another client does. */
  blocking: 4,
  /** Transactions, and publish/subscribe. */
  session: 5,
  /** About the server or the connection. */
  admin: 6,
} as const;
export type Family = (typeof FAMILY)[keyof typeof FAMILY];

/** By number. There is room for one more, see FAMILIES_MAX. */
export const FAMILY_NAMES = Object.keys(FAMILY) as readonly (keyof typeof FAMILY)[];
export const FAMILIES_MAX = 8;

/** The family of a request for one key. */
export function familyOf(access: Access): Family {
  if (access === ACCESS.read) return FAMILY.read;
  return access === ACCESS.write ? FAMILY.write : FAMILY.admin;
}

/** A server whose reply came late; times in microseconds. */
export interface SlowServer {
  readonly name: string;
  readonly queueUs: number;
  readonly serverUs: number;
}

/** Where it is noted that the replies which are just delivered came late. */
export interface SlowNote {
  /** From this on, in milliseconds, a server has taken long; Infinity: it is of no interest. */
  readonly noteMs: number;
  noted: SlowServer | null;
}

const FAMILY_ROWS = {
  total_us: [
    "histogram",
    "from a request's arrival until its reply was written to the client, in microseconds",
  ],
} as const;

const SERVER_ROWS = {
  queue_us: [
    "histogram",
    "from a request's arrival until it was sent to the server, in microseconds",
  ],
  server_us: ["histogram", "from a request's sending until its reply came, in microseconds"],
} as const;

const CLIENT_ROWS = {
  request_bytes: [
    "histogram",
    "size of requests; those that came at once count with their average",
  ],
  reply_bytes: ["histogram", "size of replies; those that went at once count with their average"],
  pipeline_depth: ["histogram", "requests of one client underway, each time that some came"],
} as const;

const LOOP_ROWS = {
  turn_us: [
    "histogram",
    "how long a turn of a worker's event loop took, from its first event to its last write, in microseconds",
  ],
} as const;

const COLLECTION_ROWS = {
  pause_us: [
    "histogram",
    "how long a worker stood still for a full collection that it asked for, in microseconds",
  ],
} as const;

/** Times of requests, of each pool and family of commands. */
export const FAMILY_TIMES: MetricSet<typeof FAMILY_ROWS> = defineMetrics(
  "times",
  ["pool", "family"],
  FAMILY_ROWS,
);
/** Of the requests that share connections to a server: not of transactions and of what blocks. */
export const SERVER_TIMES: MetricSet<typeof SERVER_ROWS> = defineMetrics(
  "server_times",
  ["pool", "server"],
  SERVER_ROWS,
);
export const CLIENT_SIZES: MetricSet<typeof CLIENT_ROWS> = defineMetrics(
  "client",
  ["pool"],
  CLIENT_ROWS,
);
export const LOOP_TIMES: MetricSet<typeof LOOP_ROWS> = defineMetrics("loop", [], LOOP_ROWS);
/** Those that the runtime makes of its own accord are seen in `turn_us` only. */
export const COLLECTION_TIMES: MetricSet<typeof COLLECTION_ROWS> = defineMetrics(
  "collections",
  [],
  COLLECTION_ROWS,
);
