/** Timers for rare events. The data plane gets this injected instead of calling setTimeout, so tests can own the clock. */

/** Calls `callback` once after `delayMs`, unless the returned function is called before. */
export type Schedule = (delayMs: number, callback: () => void) => () => void;

export const schedule: Schedule = (delayMs, callback) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/** Calls `action` again and again, `stepMs` after it has run last. @returns what ends that */
export function every(schedule: Schedule, stepMs: number, action: () => void): () => void {
  let cancel = (): void => {};
  const arm = (): void => {
    cancel = schedule(stepMs, () => {
      arm();
      action();
    });
  };
  arm();
  return () => cancel();
}
