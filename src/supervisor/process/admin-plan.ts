import type { RunAs } from "../../api/control.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import type { AdminPlan } from "./admin-slot.ts";

/** What the admin process of now is to be. Null: it would have nothing to serve. */
export function adminPlanOf(
  { generations, resources, running, program, options, startedAtMs }: ChangeTarget,
  runAs: RunAs | null,
): AdminPlan | null {
  const { serving } = generations;
  if (serving === null) return null;
  const { listeners, stats } = resources;
  const statsFd = listeners.statsFd(serving.listenerPlan);
  const httpFd = listeners.adminFd(serving.listenerPlan);
  if (statsFd === null && httpFd === null) return null;
  return {
    ...{ config: running, program, memory: stats.snapshot() },
    ...{ historyFd: stats.historyFd(), generation: serving.plan.number },
    ...{ statsFd, httpFd, isSilent: options.isDaemon, startedAtMs, runAs },
  };
}
