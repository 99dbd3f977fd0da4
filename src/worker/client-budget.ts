/** How much memory the clients of one worker may take: its share of `client_memory`. */
import type { Config } from "../api/config.ts";
import { CLIENT_MEMORY_AUTO, CLIENT_MEMORY_SHARE_MIN } from "../base/limits.ts";

/**
 * In bytes; asked each time, because the option may change while the worker runs.
 * @param workers among which it is shared
 * @param usableMemory bytes that the proxy may use; asked once
 */
export function clientBudget(
  config: Config,
  workers: number,
  usableMemory: () => number,
): () => number {
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
