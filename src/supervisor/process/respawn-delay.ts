/** How long to wait before a dead child is replaced: not at all, unless replacements keep dying young. */

/** A child that lived shorter than this, or was never ready, died young. */
export const EARLY_DEATH_MS = 1_000;

const DELAY_FIRST_MS = 100;
const DELAY_MAX_MS = 5_000;

/** @param earlyDeaths how many children of this slot in a row died young, the last one included. */
export function respawnDelayMs(earlyDeaths: number): number {
  if (earlyDeaths <= 1) return 0;
  return Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** (earlyDeaths - 2));
}
