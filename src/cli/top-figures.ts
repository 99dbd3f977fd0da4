/** Figures of `proxy top`: of a fixed width at most. */
import { formatMicroseconds } from "../metrics/latency-rows.ts";

const BARS = "▁▂▃▄▅▆▇█";

/** Six characters at most. */
export function formatRate(rate: number): string {
  if (rate === 0) return "-";
  if (rate < 9.95) return rate.toFixed(1);
  if (rate < 99_999.5) return `${Math.round(rate)}`;
  return rate < 999_500 ? `${Math.round(rate / 1000)}k` : `${(rate / 1e6).toFixed(1)}M`;
}

export function formatTime(us: number): string {
  return us === 0 ? "-" : formatMicroseconds(us).replace(" ", "");
}

export function firstOf<Item>(items: readonly Item[], count: number): Item[] {
  return items.filter((_, index) => index < count);
}

export function lastOf<Item>(items: readonly Item[], count: number): Item[] {
  return items.filter((_, index) => index >= items.length - count);
}

/** The last values, a character each, the latest last. @param width in characters */
export function sparkline(values: readonly number[], width: number): string {
  const shown = lastOf(values, width);
  const most = Math.max(...shown);
  const bar = (value: number): string =>
    most === 0 ? BARS[0]! : BARS[Math.round((value / most) * (BARS.length - 1))]!;
  return shown.map(bar).join("").padStart(width);
}
