/** What only Redis pools count. */
import { defineMetrics, type MetricSet } from "../../api/metrics.ts";

const ROWS = {
  foreign_clients: ["counter", "clients that spoke another protocol, and were disconnected"],
} as const;

export const REDIS_METRICS: MetricSet<typeof ROWS> = defineMetrics("redis", ["pool"], ROWS);
