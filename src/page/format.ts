/** Numbers as readers want them: short, and of the same width. */

/** "0", "4.2", "847", "12.3k", "1.2M" */
export function formatCount(count: number): string {
  if (count === 0) return "0";
  if (count < 9.95) return count.toFixed(1).replace(/\.0$/, "");
  if (count < 9_999.5) return `${Math.round(count)}`;
  if (count < 999_500) return `${Number((count / 1e3).toPrecision(3))}k`;
  return `${Number((count / 1e6).toPrecision(3))}M`;
}

/** "–", "850 µs", "2.1 ms", "1.25 s" */
export function formatMicroseconds(us: number | null): string {
  if (us === null || us === 0) return "–";
  if (us < 999.5) return `${Math.round(us)} µs`;
  if (us < 999_500) return `${Number((us / 1e3).toPrecision(3))} ms`;
  return `${Number((us / 1e6).toPrecision(3))} s`;
}

const BYTE_UNITS = ["KiB", "MiB", "GiB", "TiB"];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = "B";
  for (const next of BYTE_UNITS) {
    if (value < 1000) break;
    value /= 1024;
    unit = next;
  }
  return `${value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** "7 s", "12 min", "5 h", "3 d" */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.floor(seconds / 3_600)} h`
    : `${Math.floor(seconds / 86_400)} d`;
}

/** In the reader's time zone: "20:15:03". */
export function formatTime(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}

export function formatShare(share: number | null): string {
  return share === null ? "–" : `${Math.round(share * 100)} %`;
}
