/** Figures for a terminal, short. */

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
];

/** "3d", "5h", "12m", "7s" */
export function formatAge(ms: number): string {
  for (const [unit, unitMs] of UNITS) {
    if (ms >= 2 * unitMs) return `${Math.floor(ms / unitMs)}${unit}`;
  }
  return `${Math.max(0, Math.round(ms / 1000))}s`;
}

const BYTE_UNITS = ["K", "M", "G", "T", "P"];

/** "512", "1.5K", "20M": powers of 1024. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = "";
  for (const next of BYTE_UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${unit === "" || value >= 10 ? Math.round(value) : value.toFixed(1)}${unit}`;
}
