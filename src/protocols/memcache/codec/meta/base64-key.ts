/** Keys of meta commands with the flag `b`: base64 in the line, any bytes in truth. */

/** @returns null: `text` is not base64, or says nothing */
export function decodeKey(text: string): Buffer | null {
  if (text === "" || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
    return null;
  return Buffer.from(text, "base64");
}
