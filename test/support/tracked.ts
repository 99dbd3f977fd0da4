/**
 * fast-check's time limit abandons the run under way, which then disturbs whatever test comes next on the same servers.
 * Whoever sets a limit wraps the check and waits for `settled` behind `fc.assert`.
 */
export interface Tracked<Args extends unknown[]> {
  check(...args: Args): Promise<void>;
  /** Resolves when no run is under way. */
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
      await Promise.allSettled(running);
    },
  };
}
