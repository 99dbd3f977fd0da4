/** The sweeper process's entry. */
import { createDataPlane } from "./data-plane.ts";
import { startSweeper } from "./sweeper.ts";

/** Runs until the supervisor says so, or is gone; then ends the process. */
export function runSweeper(): void {
  startSweeper(createDataPlane);
}
