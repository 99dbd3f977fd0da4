/** What finding the servers of a pool comes to, for each pool that does. */
import { defineMetrics, type MetricSet } from "../../api/metrics.ts";

const ROWS = {
  looks: ["counter", "times that the servers were asked for"],
  failed_looks: ["counter", "times that the servers were asked for and there was no answer"],
  added: ["counter", "servers that have come"],
  changed: ["counter", "servers that have got another address or weight"],
  removed: ["counter", "servers that have left"],
  servers: ["gauge_max", "servers that there are now"],
  missing: ["gauge_max", "servers that are no longer found and have not left"],
} as const;

export const DISCOVERY_METRICS: MetricSet<typeof ROWS> = defineMetrics("discovery", ["pool"], ROWS);
