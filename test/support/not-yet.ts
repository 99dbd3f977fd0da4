/** The families of requests that the proxy does not serve as Redis does yet. It shrinks to nothing, and then goes. */

export const NOT_YET: readonly string[] = ["help"];

/** Families that are tried though they are on the list: READY="select,reset", or READY=all. */
const TRIED = (process.env["READY"] ?? "").split(",");

/** Whether the proxy is to be compared in these families: none of them is on the list. */
export function isReady(...families: readonly string[]): boolean {
  if (TRIED.includes("all")) return true;
  return families.every((family) => !NOT_YET.includes(family) || TRIED.includes(family));
}
