import type { Wakeable } from "../base/turn.ts";

/** What moves keys, as far as it tells how that goes. */
interface Moves {
  wakeAfter(name: string, waiter: Wakeable): void;
  failureOf(name: string): string | null;
}

/** Waits for keys that are on their way. @param onEnd told of each how it ended; null: it is where it belongs */
export async function settledAll(
  mover: Moves,
  names: readonly string[],
  onEnd: (name: string, failure: string | null) => void,
): Promise<void> {
  for (const name of names) {
    const done = Promise.withResolvers<void>();
    const waiter: Wakeable = { isWoken: false, wakeUp: () => done.resolve() };
    mover.wakeAfter(name, waiter);
    await done.promise;
    onEnd(name, mover.failureOf(name));
  }
}
