import { didYouMean } from "./nearest.ts";

/**
 * Whether there is the pool that an operator named.
 * @param pool null: all pools are meant
 * @param names of all pools that there are
 * @returns why not, in one line; null: there is
 */
export function unknownPool(pool: string | null, names: readonly string[]): string | null {
  if (pool === null || names.includes(pool)) return null;
  return `there is no pool "${pool}"${didYouMean(pool, names)}`;
}
