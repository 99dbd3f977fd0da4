/**
 * A lane says which of a server's shared connections the requests of a session go over. Sessions have one lane after the other, so
 * they spread over the connections. What a heavy client moves is so much that others would wait behind it: its lane leads to
 * connections that only heavy clients have.
 */

/** Lanes from this number on are those of heavy clients. */
export const HEAVY_LANES: number = 2 ** 30;

/** The lane of a heavy client that otherwise has `lane`. */
export function heavyLane(lane: number): number {
  return lane | HEAVY_LANES;
}

/** The lane that a session has as long as its client is not heavy: it stays the same for the session's life. */
export function plainLane(lane: number): number {
  return lane & (HEAVY_LANES - 1);
}
