/**
 * Replies as strings of bytes: what RESP2 and RESP3 write alike, and RESP2's nulls.
 *
 * Throughout the embedded Redis a byte string is a JavaScript string with one character (0–255) a byte, so keys
 * compare bytewise, serve as Map keys and cost one byte each.
 */

export const OK = "+OK\r\n";
/** RESP2 only, as is `NIL_ARRAY`: handlers take the nulls from the client's `Encoding`. */
export const NIL = "$-1\r\n";
export const NIL_ARRAY = "*-1\r\n";
export const EMPTY_ARRAY = "*0\r\n";
export const ZERO = ":0\r\n";
export const ONE = ":1\r\n";

export function simple(text: string): string {
  return `+${text}\r\n`;
}

/** `text` starts with the error's code. Line ends in it become spaces. */
export function error(text: string): string {
  return `-${text.replace(/[\r\n]/g, " ")}\r\n`;
}

export function integer(value: number | bigint): string {
  return `:${value}\r\n`;
}

export function flag(value: boolean): string {
  return value ? ONE : ZERO;
}

export function bulk(value: string): string {
  return `$${value.length}\r\n${value}\r\n`;
}

/** An array of items that are encoded already. */
export function array(items: readonly string[]): string {
  return `*${items.length}\r\n${items.join("")}`;
}

export function bulks(values: readonly string[]): string {
  return array(values.map(bulk));
}
