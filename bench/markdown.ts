/** Tables and figures as Markdown. */
import type { Spread } from "./ratio.ts";

/** A Markdown table; the first column is text, the others are numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** Three significant digits, without an exponent. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function spreadText({ median, least, most }: Spread): string {
  return `${figure(median)} (${figure(least)}–${figure(most)})`;
}

/** A rate in thousands. */
export function thousands(value: number): string {
  return `${figure(value / 1e3)}k`;
}

/** A row of bars, one for each value; the scale is logarithmic, from the least to the greatest, and at least a doubling. */
export function sparkline(values: readonly number[]): string {
  const bars = "▁▂▃▄▅▆▇█";
  const logs = values.map((value) => Math.log2(Math.max(1, value)));
  const low = Math.min(...logs);
  const span = Math.max(1, Math.max(...logs) - low);
  return logs
    .map((log) => bars[Math.min(bars.length - 1, Math.floor(((log - low) / span) * bars.length))]!)
    .join("");
}

const BEGIN = "<!-- figures: begin -->";
const END = "<!-- figures: end -->";

/** The page with the figures between its two marks replaced; `figures` alone when it has none. */
export function putIntoPage(page: string, figures: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) return figures;
  return `${page.substring(0, begin + BEGIN.length)}\n\n${figures}\n${page.substring(end)}`;
}
