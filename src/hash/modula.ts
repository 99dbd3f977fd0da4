/**
 * `distribution: modula`: hash modulo the sum of the live servers' weights names a slot, and every server has
 * as many consecutive slots as its weight (twemproxy's hashkit/nc_modula.c).
 */
import type { LiveServer, Ring } from "./types.ts";

/** @param live at least one. */
export function createModula(live: readonly LiveServer[]): Ring {
  // Not one entry per slot but each server's last slot: a weight may be a million.
  const lastSlots = new Float64Array(live.length);
  const owners = new Uint16Array(live.length);
  let slots = 0;
  for (const [at, { server, index }] of live.entries()) {
    slots += server.weight;
    lastSlots[at] = slots - 1;
    owners[at] = index;
  }
  const pick = (hash: number): number => owners[firstAtLeast(lastSlots, hash % slots)]!;
  return { pick, explain: (hash) => ({ point: hash % slots, index: pick(hash) }) };
}

/** Index of the first value ≥ `wanted`; the last value must be. */
function firstAtLeast(values: Float64Array, wanted: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
