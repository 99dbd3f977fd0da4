/** Values of the option `read_from`. */

/**
 * - `primary`: no replica is read
 * - `prefer_replica`: a replica, or the primary if none may be read
 * - `replica`: a replica, or an error
 * - `any`: all alike
 * - `nearest`: the one that answers soonest
 */
export type ReadFrom = "primary" | "prefer_replica" | "replica" | "any" | "nearest";
export const READ_FROM: readonly ReadFrom[] = [
  "primary",
  "prefer_replica",
  "replica",
  "any",
  "nearest",
];
