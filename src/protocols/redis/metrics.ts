/** What only Redis pools count. */
import { defineMetrics, type MetricSet } from "../../api/metrics.ts";

const ROWS = {
  foreign_clients: ["counter", "clients that spoke another protocol, and were disconnected"],
} as const;

export const REDIS_METRICS: MetricSet<typeof ROWS> = defineMetrics("redis", ["pool"], ROWS);

const FAILOVER_ROWS = {
  waits: ["counter", "requests that waited for a server, or for another one in its place"],
  waiting: ["gauge", "requests that wait for that now"],
  dry_run_waits: ["counter", "requests that would have waited but for failover_park_dry_run"],
} as const;

export const FAILOVER_METRICS: MetricSet<typeof FAILOVER_ROWS> = defineMetrics(
  "failover",
  ["pool"],
  FAILOVER_ROWS,
);

/** The first words of errors, in Redis's words; what begins otherwise is `other`. */
const ERROR_ROWS = {
  ERR: ["counter", "errors that begin with ERR"],
  WRONGTYPE: ["counter", "the key holds another kind of value"],
  OOM: ["counter", "the server's memory is used up"],
  BUSY: ["counter", "a script or function runs for too long"],
  LOADING: ["counter", "the server is loading its data"],
  READONLY: ["counter", "a write to a replica"],
  MOVED: ["counter", "the slot is another node's"],
  ASK: ["counter", "the key is at another node for now"],
  NOAUTH: ["counter", "the client has not authenticated"],
  WRONGPASS: ["counter", "user or password is wrong"],
  NOPERM: ["counter", "the user may not do that"],
  NOSCRIPT: ["counter", "the server does not know the script"],
  CLUSTERDOWN: ["counter", "the cluster, or the slot, has no server"],
  TRYAGAIN: ["counter", "keys of one slot are at two nodes for now"],
  MASTERDOWN: ["counter", "a replica has lost its primary"],
  EXECABORT: ["counter", "a transaction with an error was not executed"],
  other: ["counter", "errors that begin with another word"],
} as const;

export const REDIS_ERRORS: MetricSet<typeof ERROR_ROWS> = defineMetrics(
  "redis_errors",
  ["pool", "server"],
  ERROR_ROWS,
);
