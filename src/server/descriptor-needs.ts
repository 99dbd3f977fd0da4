/** What the configured pools need of file descriptors. */
import type { PoolConfig } from "../api/config.ts";
import type { PoolNeeds } from "../base/descriptor-budget.ts";

export function needsOf(pools: readonly PoolConfig[]): PoolNeeds[] {
  return pools.map(({ servers, spares = [], serverConnections }) => ({
    servers: servers.length + spares.length,
    serverConnections,
  }));
}
