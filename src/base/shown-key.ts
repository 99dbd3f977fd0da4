/** Keys for humans: bytes that are no text are written `\xNN`. */

/** Valid UTF-8 without control characters stays as it is, but for backslashes. @param bytesMax of a longer key its beginning, and "…" */
export function shownKey(bytes: Buffer, bytesMax: number = Number.POSITIVE_INFINITY): string {
  if (bytes.length > bytesMax) return `${shownKey(bytes.subarray(0, bytesMax))}…`;
  const text = bytes.toString("utf8");
  if (!/\p{Cc}/u.test(text) && Buffer.from(text).equals(bytes))
    return text.replaceAll("\\", "\\\\");
  let escaped = "";
  for (const byte of bytes) {
    if (byte === 0x5c) escaped += "\\\\";
    else if (byte >= 0x20 && byte < 0x7f) escaped += String.fromCharCode(byte);
    else escaped += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return escaped;
}
