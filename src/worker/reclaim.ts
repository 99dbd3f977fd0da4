/**
 * Gives memory back that clients have left behind.
 *
 * What something still refers to by accident when it is collected (a reply that is just arriving, a value on the native stack) may be
 * many megabytes, and no traffic may follow that would start another collection. So it is looked whether what buffers take
 * is as little as it ever was after a collection, and if not, it is collected again, a few times.
 *
 * A full collection stops the worker for some milliseconds (docs/architecture.md has figures), so it is asked for only
 * when it frees much, and never twice within seconds. Traffic whose buffers live no longer than a turn never asks for one.
 */
import { trimBlocks } from "../base/block-pool.ts";
import { forgetGarbage, garbageBytes } from "../base/garbage.ts";
import {
  GARBAGE_MANY_BYTES,
  GARBAGE_MANY_MS,
  GARBAGE_REPEATS_MAX,
  GARBAGE_SOME_BYTES,
  GARBAGE_SOME_MS,
  GARBAGE_TIGHT_MS,
} from "../base/limits.ts";

/** How often `check` is to be called. */
export const RECLAIM_STEP_MS = 5000;

export class Reclaimer {
  private readonly collect: () => void;
  private readonly bufferBytes: () => number;
  private collectedMs = 0;
  /** So often it may be collected once more, for what was still in use before. */
  private repeats = 0;
  /** The least that buffers took at the start, or after a collection. */
  private leastBytes: number;

  /**
   * @param collect makes a full collection
   * @param bufferBytes what buffers take now, but for those that are kept to be used again
   */
  constructor(collect: () => void, bufferBytes: () => number) {
    this.collect = collect;
    this.bufferBytes = bufferBytes;
    this.leastBytes = bufferBytes();
  }

  /** To be called every RECLAIM_STEP_MS. */
  check(nowMs: number): void {
    trimBlocks();
    const bytes = garbageBytes();
    const sinceMs = nowMs - this.collectedMs;
    const isMuch = bytes >= GARBAGE_MANY_BYTES && sinceMs >= GARBAGE_MANY_MS;
    const isSome = bytes >= GARBAGE_SOME_BYTES && sinceMs >= GARBAGE_SOME_MS;
    const isRepeat = !isMuch && !isSome;
    if (isRepeat && this.repeats === 0) return;
    this.reclaim(nowMs, isRepeat);
  }

  /** Clients hold nearly as much as they may, and much of it is garbage: collects it, unless that was done a moment ago. */
  hurry(nowMs: number): void {
    if (nowMs - this.collectedMs >= GARBAGE_TIGHT_MS) this.reclaim(nowMs, false);
  }

  private reclaim(nowMs: number, isRepeat: boolean): void {
    this.collectedMs = nowMs;
    forgetGarbage();
    this.collect();
    const leftBytes = this.bufferBytes();
    this.leastBytes = Math.min(this.leastBytes, leftBytes);
    const isAllGone = leftBytes < this.leastBytes + GARBAGE_SOME_BYTES;
    if (isAllGone) this.repeats = 0;
    else this.repeats = isRepeat ? this.repeats - 1 : GARBAGE_REPEATS_MAX;
  }
}
