/** Sizes of memory as people write them, in the units of Redis's configuration: `kb` is 1,024 bytes. */

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
  tb: 1024 ** 4,
};
const FORMAT = /^(\d{1,15}(?:\.\d{1,9})?)(b|kb|mb|gb|tb)$/i;

/** `512mb`, `1.5GB` → bytes, rounded down; null: it is none of these. A number without a unit is none: its reader would have to guess. */
export function parseSize(text: string): number | null {
  const [, number = "", unit = ""] = FORMAT.exec(text) ?? [];
  if (number === "") return null;
  return Math.floor(Number(number) * UNIT_BYTES[unit.toLowerCase()]!);
}

/** Bytes in the largest unit that needs no fraction: 536870912 → `512mb`. */
export function formatSize(bytes: number): string {
  for (const [unit, unitBytes] of Object.entries(UNIT_BYTES).reverse()) {
    if (bytes >= unitBytes && bytes % unitBytes === 0) return `${bytes / unitBytes}${unit}`;
  }
  return `${bytes}b`;
}
