/** Binds a worker's event loop to a CPU core. */
import type { Config } from "../api/config.ts";
import type { WorkerSet } from "../api/worker-set.ts";
import type { Logger } from "../base/log.ts";
import { allowedCores, freeHelperThreads, pinThisThread } from "../os/affinity.ts";

/** The engine starts threads (garbage collection, compilation) when it needs them, and they inherit the binding. */
const FREE_HELPERS_STEP_MS = 10_000;

/**
 * To one of the cores that its pool's `workers` say, or `affinity`. A core that cannot be had costs speed at most: that is logged, and the worker
 * runs where it may.
 * @param worker its index in the generation
 */
export function pinWorker(config: Config, set: WorkerSet, worker: number, log: Logger): void {
  const own = config.pools.find(({ name }) => name === set.pool)?.workers?.cpus ?? null;
  const affinity = own ?? config.affinity;
  const index = own === null ? worker : worker - set.first;
  if (affinity === "off") return;
  let core = -1;
  try {
    const allowed = allowedCores();
    const cores = affinity === "auto" ? allowed : affinity;
    core = cores[index % cores.length] ?? -1;
    pinThisThread(core);
    const free = (): void => freeHelperThreads(allowed);
    free();
    setInterval(free, FREE_HELPERS_STEP_MS).unref();
    log.debug("pinned", { core });
  } catch (error) {
    log.warn(`cannot be pinned to a core: ${(error as Error).message}`, { core });
  }
}
