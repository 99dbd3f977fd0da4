/** Requests as they are to be sent where keys are called without a prefix: see CutNode. */
import type { Failure } from "./upstream.ts";

export interface KeyCut {
  /**
   * @param start of the first request of bytes[start, end), which is there whole
   * @returns that request, its keys without the prefix, in memory of its own; a Failure: it cannot be called so
   */
  cut(bytes: Buffer, start: number, end: number): Buffer | Failure;
}
