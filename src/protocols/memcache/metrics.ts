/** What only Memcached pools count. */
import { defineMetrics, type MetricSet } from "../../api/metrics.ts";

const ROWS = {
  foreign_clients: ["counter", "clients that spoke another protocol, and were disconnected"],
} as const;

export const MEMCACHE_METRICS: MetricSet<typeof ROWS> = defineMetrics("memcache", ["pool"], ROWS);

/** Errors by their first word; in the binary protocol by what memcached says in text in their place. */
const ERROR_ROWS = {
  ERROR: ["counter", "the server does not know the command"],
  CLIENT_ERROR: ["counter", "the request is wrong: its form, its size, the value under the key"],
  SERVER_ERROR: ["counter", "the server cannot do it: mostly its memory is used up"],
} as const;

export const MEMCACHE_ERRORS: MetricSet<typeof ERROR_ROWS> = defineMetrics(
  "memcache_errors",
  ["pool", "server"],
  ERROR_ROWS,
);
