/** What only Memcached pools count. */
import { defineMetrics, type MetricSet } from "../../api/metrics.ts";

const ROWS = {
  foreign_clients: ["counter", "clients that spoke another protocol, and were disconnected"],
} as const;

export const MEMCACHE_METRICS: MetricSet<typeof ROWS> = defineMetrics("memcache", ["pool"], ROWS);
