/** Work for many, in slices: between two of them the event loop turns, so that no client waits for all of it. */
import { SLICE_MS } from "./limits.ts";

/** A moment at which a slice ends. */
export function endOfSlice(): number {
  return performance.now() + SLICE_MS;
}

export function isSliceOver(endMs: number): boolean {
  return performance.now() >= endMs;
}

/**
 * Calls `act` for each of `items`, which may change meanwhile as a Set or Map allows; `done` follows. The first slice runs inside
 * of this call, and may be all.
 */
export function inSlices<Item>(
  items: Iterable<Item>,
  act: (item: Item) => void,
  done: () => void = () => {},
): void {
  const iterator = items[Symbol.iterator]();
  const run = (): void => {
    const endMs = endOfSlice();
    do {
      const next = iterator.next();
      if (next.done === true) {
        done();
        return;
      }
      act(next.value);
    } while (!isSliceOver(endMs));
    setImmediate(run);
  };
  run();
}
