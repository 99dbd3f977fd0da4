/** How changes of rings went, noted for operators and for the next try. */
import { SWITCH_AGAIN_MS, SWITCH_AGAIN_MS_MAX } from "../../base/migration-limits.ts";
import { StartError } from "../start-error.ts";
import type { Driven } from "./migration-parts.ts";

/** @param problem null: the ring has changed */
export function noteSwitch({ pools, log }: Driven, pool: string, problem: string | null): void {
  const state = pools.get(pool);
  if (state === undefined) return;
  state.problem = problem;
  state.retries = problem === null ? 0 : state.retries + 1;
  const afterMs = Math.min(SWITCH_AGAIN_MS * 2 ** (state.retries - 1), SWITCH_AGAIN_MS_MAX);
  state.retryAtMs = performance.now() + afterMs;
  if (problem === null) {
    state.sweeps = [];
    log.movesKeys(pool);
  } else log.waits(pool, problem);
}

export function isUnwritten(file: { readonly path: string } | null): StartError {
  return new StartError([
    `${file?.path} cannot be written, which says where keys are; see the log`,
  ]);
}
