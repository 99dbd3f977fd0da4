/**
 * What waits for connections to servers, under OpenTelemetry's name: the proxy is the client, and each server of a pool has a pool of
 * connections. Their number is `proxy_server_connections` only: by its conventional name it would be taken for a histogram's.
 */
import type { Config } from "../api/config.ts";
import type { PoolFigures } from "../api/stats.ts";
import type { MetricFamily } from "./exposition.ts";

/** Those whose servers are databases. */
export const OTEL_SYSTEMS: Readonly<Record<string, string>> = {
  redis: "redis",
  memcache: "memcached",
};

export function otelConnectionFamily(config: Config, pools: readonly PoolFigures[]): MetricFamily {
  const samples = pools.flatMap(({ name: pool, servers }) => {
    const protocol = config.pools.find(({ name }) => name === pool)?.protocol ?? "";
    if (OTEL_SYSTEMS[protocol] === undefined) return [];
    return servers.map(({ name: server, counters }) => ({
      labels: { db_client_connection_pool_name: `${pool}/${server}`, pool, server },
      value: counters.in_queue,
    }));
  });
  return {
    name: "db_client_connection_pending_requests",
    help: "Requests that wait to be sent to a server, by OpenTelemetry's semantic conventions.",
    type: "gauge",
    samples,
  };
}
