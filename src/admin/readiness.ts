/** Whether clients may come. */
import type { AdminStatus } from "../api/control.ts";
import type { PoolFigures, ServerTrouble } from "../api/stats.ts";

/** Why no client should come here now. */
export function reasonsAgainst(
  status: AdminStatus | null,
  pools: readonly PoolFigures[],
): string[] {
  if (status === null) return ["the supervisor does not answer"];
  const workers = status.processes.filter(({ role }) => role === "worker");
  const down = pools.filter(
    ({ servers }) => servers.length > 0 && servers.every(({ trouble }) => isOfNoUse(trouble)),
  );
  return [
    ...(status.phase === "serving" ? [] : [`the proxy is ${status.phase}`]),
    ...(workers.some(({ state }) => state === "serving") ? [] : ["no worker serves"]),
    ...down.map(({ name }) => `pool ${name}: all of its servers are in trouble`),
  ];
}

/** Errors of its state are replies: clients can make something of them. */
function isOfNoUse(trouble: ServerTrouble | null | undefined): boolean {
  return trouble != null && trouble.kind !== "signal";
}
