/** What trees of routes do besides choosing, for each pool that has one. */
import { defineMetrics, type MetricSet } from "../api/metrics.ts";

const ROWS = {
  failovers: ["counter", "requests that a route sent on to another pool"],
  mirrored: ["counter", "requests of which a route sent a copy to another pool"],
  mirror_dropped: [
    "counter",
    "requests that a route did not copy, because the other pool took no more",
  ],
  mirror_same: ["counter", "copies whose reply was compared and was the same"],
  mirror_different: ["counter", "copies whose reply was compared and was another"],
  written_to_all: ["counter", "requests that a route wrote to one more pool"],
  written_to_all_failed: ["counter", "requests that failed in that pool, or got an error there"],
  hedged: ["counter", "reads that were late, and that a route sent to another pool as well"],
  hedge_won: ["counter", "reads whose reply came from that pool first"],
  hedge_over_budget: [
    "counter",
    "reads that were late and not sent to another pool: too many were",
  ],
  failover_over_budget: [
    "counter",
    "requests that failed and were not sent on to another pool: too many were",
  ],
} as const;

export const ROUTE_METRICS: MetricSet<typeof ROWS> = defineMetrics("route", ["pool"], ROWS);
