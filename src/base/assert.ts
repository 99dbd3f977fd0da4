/**
 * For programmer errors only: a broken invariant ends the worker, and the supervisor starts a fresh one.
 * Peers, files and the kernel never cause one.
 */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${what}`);
}
