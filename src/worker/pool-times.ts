/** Where the histograms of a pool and its servers are in this worker. */
import { CLIENT_SIZES, FAMILY_NAMES, FAMILY_TIMES, SERVER_TIMES } from "../api/latency.ts";
import { ClientTimes } from "../client/client-times.ts";
import { ServerTimes } from "../server/server-times.ts";
import type { WorkerMetrics } from "./metrics.ts";

export function openClientTimes(metrics: WorkerMetrics, pool: string): ClientTimes {
  const sizes = metrics.open(CLIENT_SIZES, { pool });
  return new ClientTimes({
    totalUs: FAMILY_NAMES.map((family) =>
      metrics.open(FAMILY_TIMES, { pool, family }).histogram("total_us"),
    ),
    requestBytes: sizes.histogram("request_bytes"),
    replyBytes: sizes.histogram("reply_bytes"),
    pipelineDepth: sizes.histogram("pipeline_depth"),
  });
}

export function openServerTimes(metrics: WorkerMetrics, pool: string, server: string): ServerTimes {
  const times = metrics.open(SERVER_TIMES, { pool, server });
  return new ServerTimes(times.histogram("queue_us"), times.histogram("server_us"));
}
