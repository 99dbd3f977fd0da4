/** Keys on a command line and in a terminal: bytes that are no text are written `\xNN`. */
import { shownKey } from "../base/shown-key.ts";

/**
 * The bytes of a key that was given as an argument.
 * @param hasEscapes `\xNN` is a byte and `\\` a backslash; otherwise every character stands for itself
 * @returns null when an escape is malformed
 */
export function parseKey(text: string, hasEscapes: boolean): Buffer | null {
  if (!hasEscapes) return Buffer.from(text);
  const parts = text.split(/(\\x[0-9A-Fa-f]{2}|\\\\)/);
  const bytes: Buffer[] = [];
  for (const part of parts) {
    if (part === "\\\\") bytes.push(Buffer.from("\\"));
    else if (/^\\x[0-9A-Fa-f]{2}$/.test(part)) bytes.push(Buffer.from(part.substring(2), "hex"));
    else if (part.includes("\\")) return null;
    else bytes.push(Buffer.from(part));
  }
  return Buffer.concat(bytes);
}

/** The key as it can be given back to `parseKey(…, true)`: valid UTF-8 without control characters stays as it is. */
export function formatKey(bytes: Buffer): string {
  return shownKey(bytes);
}
