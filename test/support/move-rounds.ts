/** How often the tests of moving clients upgrade or reload in a row. */

/** Of the tests that count descriptors, memory or order over many changes, where one of them does it twenty times. */
const ROUNDS = 8;
/** What happens only after many changes does not depend on the engine; that it happens at all shows in a few. */
const ROUNDS_OF_A_SECOND_PASS = 4;

/**
 * @param rounds in the first pass over the suite
 * @returns that, or few when the suite runs again on another engine; the environment's MOVE_ROUNDS overrides both
 */
export function moveRounds(rounds: number = ROUNDS): number {
  const asked = process.env["MOVE_ROUNDS"] ?? "";
  if (asked !== "") return Number(asked);
  const isSecondPass = (process.env["PROXY_ENGINE"] ?? "") !== "";
  return isSecondPass ? ROUNDS_OF_A_SECOND_PASS : rounds;
}
