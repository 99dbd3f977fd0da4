/** Slots of a cluster: which server has which is not computed, but told. */
import type { Ring } from "./types.ts";

/** @param slots by slot the index of its server, or -1; a power of two of them. Kept: values may change later */
export function createSlotRing(slots: Int16Array): Ring {
  const mask = slots.length - 1;
  return {
    pick: (hash) => slots[hash & mask]!,
    explain: (hash) => ({ point: hash & mask, index: slots[hash & mask]! }),
  };
}
