/** The worker process's entry: a worker with the real data plane. */
import { createDataPlane } from "./data-plane.ts";
import { startWorker } from "./worker.ts";

/** Runs until the supervisor says so, or is gone; then ends the process. */
export function runWorker(): void {
  startWorker(createDataPlane);
}
