/** Work for many, in slices: between two of them the event loop turns, so that no client waits for all of it. */
import { SLICE_MS } from "./limits.ts";

/** The part of an engine that slices are made of; see Engine. */
export interface SliceLoop {
  nowMs(): number;
  later(callback: () => void): void;
}

/** Of a process without an engine. */
export const RUNTIME_SLICES: SliceLoop = {
  nowMs: () => performance.now(),
  later: (callback) => {
    setImmediate(callback);
  },
};

/** A moment at which a slice ends. */
export function endOfSlice(loop: SliceLoop): number {
  return loop.nowMs() + SLICE_MS;
}

export function isSliceOver(loop: SliceLoop, endMs: number): boolean {
  return loop.nowMs() >= endMs;
}

/**
 * Calls `act` for each of `items`, which may change meanwhile as a Set or Map allows; `done` follows. The first slice runs inside
 * of this call, and may be all.
 */
export function inSlices<Item>(
  loop: SliceLoop,
  items: Iterable<Item>,
  act: (item: Item) => void,
  done: () => void = () => {},
): void {
  const iterator = items[Symbol.iterator]();
  const run = (): void => {
    const endMs = endOfSlice(loop);
    do {
      const next = iterator.next();
      if (next.done === true) {
        done();
        return;
      }
      act(next.value);
    } while (!isSliceOver(loop, endMs));
    loop.later(run);
  };
  run();
}
