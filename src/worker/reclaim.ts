/**
 * Gives memory back that clients have left behind.
 *
 * A full collection stops the worker for some milliseconds (docs/architecture.md has figures), so it is asked for only
 * when it frees much, and never twice within seconds. Traffic whose buffers live no longer than a turn never asks for one.
 */
import { trimBlocks } from "../base/block-pool.ts";
import { forgetGarbage, garbageBytes } from "../base/garbage.ts";
import {
  GARBAGE_MANY_BYTES,
  GARBAGE_MANY_MS,
  GARBAGE_SOME_BYTES,
  GARBAGE_SOME_MS,
} from "../base/limits.ts";

/** How often `check` is to be called. */
export const RECLAIM_STEP_MS = 5000;

export class Reclaimer {
  private readonly collect: () => void;
  private collectedMs = 0;
  /** The last collection was one for much: what was still in use at that moment is collected at the next step. */
  private mustRepeat = false;

  /** @param collect makes a full collection */
  constructor(collect: () => void) {
    this.collect = collect;
  }

  /** To be called every RECLAIM_STEP_MS. */
  check(nowMs: number): void {
    trimBlocks();
    const bytes = garbageBytes();
    const sinceMs = nowMs - this.collectedMs;
    const isMuch = bytes >= GARBAGE_MANY_BYTES && sinceMs >= GARBAGE_MANY_MS;
    const isSome = bytes >= GARBAGE_SOME_BYTES && sinceMs >= GARBAGE_SOME_MS;
    if (!isMuch && !isSome && !this.mustRepeat) return;
    this.mustRepeat = isMuch;
    this.collectedMs = nowMs;
    forgetGarbage();
    this.collect();
  }
}
