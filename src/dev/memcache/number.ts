/** Numbers as memcached's text protocol reads them. */

const UINT64_MAX = 2n ** 64n - 1n;
const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

/** An unsigned 64-bit number, or null. */
export function parseUint64(text: string): bigint | null {
  if (!/^\+?[0-9]{1,20}$/.test(text)) return null;
  const value = BigInt(text.replace("+", ""));
  return value > UINT64_MAX ? null : value;
}

/** The low 32 bits of an unsigned 64-bit number, or null: so memcached reads flags. */
export function parseFlags(text: string): number | null {
  const value = parseUint64(text);
  return value === null ? null : Number(value & 0xffff_ffffn);
}

/** A signed 32-bit number, or null. */
export function parseInt32(text: string): number | null {
  if (!/^[+-]?[0-9]{1,20}$/.test(text)) return null;
  const value = Number(text);
  return value >= INT32_MIN && value <= INT32_MAX ? value : null;
}
