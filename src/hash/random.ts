/** `distribution: random`: a fresh draw for every pick; weights do not count (twemproxy's hashkit/nc_random.c). */
import type { Ring } from "./types.ts";

/** @param owners indices of the live servers, at least one. */
export function createRandom(owners: Uint16Array, random: () => number): Ring {
  const pick = (): number => owners[Math.floor(random() * owners.length)]!;
  return { pick, explain: () => ({ point: null, index: pick() }) };
}
