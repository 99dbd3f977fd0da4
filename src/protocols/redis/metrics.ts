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
