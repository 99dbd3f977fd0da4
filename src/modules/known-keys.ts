/** Objects that a module's author writes: a key that is mistyped must not be left out silently. */
import { didYouMean } from "../config/nearest.ts";

/** What is wrong with the first key of `object` that is not one of `known`, as a sentence; null: all are known. */
export function unknownKey(object: object, known: readonly string[]): string | null {
  const key = Object.keys(object).find((name) => !known.includes(name));
  if (key === undefined) return null;
  return `unknown key "${key}"${didYouMean(key, known) || ` (known: ${known.join(", ")})`}`;
}
