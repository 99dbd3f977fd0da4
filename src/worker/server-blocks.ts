/** Where this worker counts what a server does. */
import type { AnyMetricSet, MetricBlock } from "../api/metrics.ts";
import { SERVER_METRICS } from "../api/stats.ts";
import type { PoolPlaneOptions } from "./pool-plane-options.ts";

export interface ServerBlocks {
  readonly counters: MetricBlock;
  /** Of its error replies by kind; null: its protocol tells none apart. */
  readonly errors: MetricBlock | null;
}

/** Servers of the configuration have their place from the start, others get one when they come. */
export function serverBlocks(
  { pool, counters, layout, metrics }: PoolPlaneOptions,
  server: string,
  serverErrors: AnyMetricSet | undefined,
): ServerBlocks {
  const labels = { pool: pool.name, server };
  const place = layout.servers.find(({ name }) => name === server);
  return {
    counters:
      place !== undefined
        ? { values: counters, base: place.base }
        : metrics.open(SERVER_METRICS, labels).block,
    errors: serverErrors === undefined ? null : metrics.blockOf(serverErrors, labels),
  };
}
