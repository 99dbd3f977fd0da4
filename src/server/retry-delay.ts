/** How long a connection that is down waits until it is tried again. */

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1000;
/** A delay is spread by this share in both directions, so that workers do not knock in step. */
const RETRY_JITTER = 0.25;
const RETRY_DOUBLINGS_MAX = 5;

/** @param failedAttempts in a row. @param part between 0 and 1, by chance */
export function retryDelayMs(failedAttempts: number, part: number): number {
  const doublings = Math.min(Math.max(failedAttempts - 1, 0), RETRY_DOUBLINGS_MAX);
  const delayMs = Math.min(RETRY_FIRST_MS * 2 ** doublings, RETRY_MAX_MS);
  return delayMs * (1 + RETRY_JITTER * (2 * part - 1));
}
