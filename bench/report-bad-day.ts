/** What the bad day did to the latencies, as Markdown. */
import { WINDOW_MS, WINDOWS_BEFORE } from "./bad-day.ts";
import { figure, sparkline, table, thousands } from "./markdown.ts";
import type { BadDayGroup, BadDayRow, BadDayWindow } from "./result.ts";
import { median } from "./statistics.ts";

/** A window is disturbed when its p99.9 is more than this many times the usual one, and more than a millisecond above it. */
const DISTURBED_FACTOR = 2;
const DISTURBED_MICROS = 1_000;

export function badDayPart(rows: readonly BadDayRow[]): string {
  const head = [
    "incident, proxy, keys",
    ...["p99.9 before, ms", "worst window", "disturbed, s", "errors", "unanswered", "cut"],
    `p99.9, a bar for each ${WINDOW_MS} ms`,
  ];
  const lines = rows.flatMap((row) =>
    row.groups.map((group, n) => [
      `${row.incident}, ${row.proxy}, ${group.keys}`,
      ...figuresOf(group),
      n === 0 ? `${row.cut}` : "",
      sparkline(group.windows.map(({ p999 }) => p999)),
    ]),
  );
  const remarks = rows.flatMap(({ incident, proxy, remark, failure }) => {
    const text = failure === null ? remark : `failed: ${failure}`;
    return text === "" ? [] : [`- ${incident}, ${proxy}: ${text.split("\n")[0]}`];
  });
  const rate = thousands(rows[0]!.requestsPerSecond);
  return [
    "### The bad day",
    `${rate} GETs of 100 B a second over 50 connections, open loop; the incident begins after ${(WINDOWS_BEFORE * WINDOW_MS) / 1e3} s. ` +
      "*disturbed*: how long p99.9 was above twice the usual and more than a millisecond above it, windows without any good answer " +
      "included. *cut*: client connections that were closed. The scale of the bars is logarithmic, each row's own.",
    table(head, lines),
    remarks.join("\n"),
  ].join("\n\n");
}

function figuresOf({ windows }: BadDayGroup): string[] {
  const usual = median(windows.slice(0, WINDOWS_BEFORE).map(({ p999 }) => p999));
  const after = windows.slice(WINDOWS_BEFORE);
  const disturbed = after.filter((window) => isDisturbed(window, usual));
  const sum = (of: (window: BadDayWindow) => number): number =>
    windows.reduce((total, window) => total + of(window), 0);
  return [
    figure(usual / 1e3),
    figure(Math.max(...after.map(({ p999 }) => p999)) / 1e3),
    ((disturbed.length * WINDOW_MS) / 1e3).toFixed(2),
    `${sum(({ errors }) => errors)}`,
    `${sum(({ lost }) => lost)}`,
  ];
}

function isDisturbed({ answered, p999 }: BadDayWindow, usual: number): boolean {
  if (answered === 0) return true;
  return p999 > usual * DISTURBED_FACTOR && p999 > usual + DISTURBED_MICROS;
}
