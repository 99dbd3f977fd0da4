/** The worker sets that a configuration asks for on this machine. */
import type { Config } from "../../api/config.ts";
import type { WorkerSet } from "../../api/worker-set.ts";
import { workerSets } from "../../config/worker-sets.ts";
import { usableCores } from "../../os/usable-cores.ts";
import type { Generation } from "./generation.ts";

export function wantedSets(config: Config): WorkerSet[] {
  return workerSets(config, config.workers === "auto" ? usableCores() : config.workers);
}

/** False: a program began the generation that knows no worker sets, and its workers serve all pools. */
export function hasWantedSets({ plan }: Generation): boolean {
  return plan.sets.length === wantedSets(plan.config).length;
}
