/** Whether clients may come. */
import type { AdminStatus } from "../api/control.ts";
import type { PoolFigures } from "../api/stats.ts";

/** Why no client should come here now. */
export function reasonsAgainst(
  status: AdminStatus | null,
  pools: readonly PoolFigures[],
): string[] {
  if (status === null) return ["the supervisor does not answer"];
  const workers = status.processes.filter(({ role }) => role === "worker");
  const down = pools.filter(
    ({ servers }) => servers.length > 0 && servers.every(({ trouble }) => trouble != null),
  );
  return [
    ...(status.phase === "serving" ? [] : [`the proxy is ${status.phase}`]),
    ...(workers.some(({ state }) => state === "serving") ? [] : ["no worker serves"]),
    ...down.map(({ name }) => `pool ${name}: all of its servers are in trouble`),
  ];
}
