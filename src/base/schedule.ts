/** Timers for rare events. The data plane gets this injected instead of calling setTimeout, so tests can own the clock. */

/** Calls `callback` once after `delayMs`, unless the returned function is called before. */
export type Schedule = (delayMs: number, callback: () => void) => () => void;

export const schedule: Schedule = (delayMs, callback) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};
