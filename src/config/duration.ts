/** Durations as people write them. Everything else counts in whole milliseconds. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const FORMAT = /^(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h)?$/;

/** `400`, `400ms`, `1.5s`, `2m`, `1h` → milliseconds; null when it is none of these or not a whole number of them. */
export function parseDuration(text: string): number | null {
  const match = FORMAT.exec(text);
  if (match === null) return null;
  const ms = Number(match[1]) * (UNIT_MS[match[2] ?? "ms"] ?? 1);
  const rounded = Math.round(ms);
  return Math.abs(ms - rounded) < 1e-6 ? rounded : null;
}

/** Milliseconds in the largest unit that needs no fraction: 30000 → `30s`. */
export function formatDuration(ms: number): string {
  for (const unit of ["h", "m", "s"]) {
    const unitMs = UNIT_MS[unit] ?? 1;
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
