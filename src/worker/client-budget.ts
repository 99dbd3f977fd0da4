/** How much memory the clients of one worker may take: its share of `client_memory`. */
import type { Config } from "../api/config.ts";
import type { WorkerSet } from "../api/worker-set.ts";
import { CLIENT_MEMORY_AUTO, CLIENT_MEMORY_SHARE_MIN } from "../base/limits.ts";

/**
 * In bytes; asked each time, because the option may change while the worker runs.
 * @param workers among which it is shared, but for those of a pool whose own workers have a budget of their own
 * @param set of this worker
 * @param usableMemory bytes that the proxy may use; asked once
 */
export function clientBudget(
  config: Config,
  workers: number,
  set: WorkerSet,
  usableMemory: () => number,
): () => number {
  const own =
    config.pools.find(({ name }) => name === set.pool)?.workers?.clientMemoryBytes ?? null;
  if (own !== null) return () => shareOf(own, set.size);
  const auto = shareOf(CLIENT_MEMORY_AUTO * usableMemory(), workers);
  return () => {
    const { clientMemoryBytes = null } = config;
    if (clientMemoryBytes === null) return Number.POSITIVE_INFINITY;
    return clientMemoryBytes === "auto" ? auto : shareOf(clientMemoryBytes, workers);
  };
}

function shareOf(bytes: number, workers: number): number {
  return Math.max(CLIENT_MEMORY_SHARE_MIN, Math.floor(bytes / workers));
}
