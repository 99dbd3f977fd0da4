/**
 * fast-check's time limit abandons the run under way: it would disturb whatever test comes next on the same servers, and
 * nobody would hear that it failed. Whoever sets a limit wraps the check and waits for `settled` behind `fc.assert`.
 */
export interface Tracked<Args extends unknown[]> {
  check(...args: Args): Promise<void>;
  /** Resolves when no run is under way. @throws what made one fail meanwhile: a hang that reached its deadline, say */
  settled(): Promise<void>;
}

export function tracked<Args extends unknown[]>(
  check: (...args: Args) => Promise<unknown>,
): Tracked<Args> {
  const running = new Set<Promise<unknown>>();
  return {
    async check(...args) {
      const run = check(...args);
      running.add(run);
      try {
        await run;
      } finally {
        running.delete(run);
      }
    },
    async settled() {
      await Promise.all(running);
    },
  };
}
