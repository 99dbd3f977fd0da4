import type { Turn } from "../../src/base/turn.ts";
import { ClientMemory } from "../../src/client/client-memory.ts";

/** Clients hold as much as they like. */
export function unboundedMemory(turn: Turn): ClientMemory {
  const budget = (): number => Number.POSITIVE_INFINITY;
  return new ClientMemory({ turn, budget, holders: () => [], onGarbage() {} });
}
