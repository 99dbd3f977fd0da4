/** Which times there are, by pool, family of commands and server, from what the proxy has measured. */
import type { HistogramFigures, SetFigures } from "../api/stats.ts";
import { added, nameOfShare, percentile, SHOWN_SHARES, since } from "./percentiles.ts";

/** A histogram of times in microseconds. */
export interface LatencyRow {
  readonly pool: string;
  /** "all", a family of commands, or "server NAME". */
  readonly of: string;
  /** What was timed: see docs/stats.md. */
  readonly time: "total" | "queue" | "server";
  readonly figures: HistogramFigures;
}

/** Of those that hold something, pool by pool. */
export function latencyRows(metrics: readonly SetFigures[]): LatencyRow[] {
  const families: LatencyRow[] = [];
  const servers: LatencyRow[] = [];
  for (const { set, labels, values } of metrics) {
    const { pool = "", family = "", server = "" } = labels;
    if (set === "times") put(families, { pool, of: family, time: "total" }, values["total_us"]);
    if (set !== "server_times") continue;
    put(servers, { pool, of: `server ${server}`, time: "queue" }, values["queue_us"]);
    put(servers, { pool, of: `server ${server}`, time: "server" }, values["server_us"]);
  }
  const pools = new Set([...families, ...servers].map(({ pool }) => pool));
  return [...pools].flatMap((pool) => {
    const own = families.filter((row) => row.pool === pool);
    const all = own.filter(({ of }) => of !== "blocking").map(({ figures }) => figures);
    const total: LatencyRow[] =
      all.length === 0
        ? []
        : [{ pool, of: "all", time: "total", figures: all.reduce((a, b) => added(a, b)) }];
    return [...total, ...own, ...servers.filter((row) => row.pool === pool)];
  });
}

function put(
  rows: LatencyRow[],
  row: Omit<LatencyRow, "figures">,
  figures: number | HistogramFigures | undefined,
): void {
  if (typeof figures === "object" && figures.count > 0) rows.push({ ...row, figures });
}

/** What came in between. */
export function latencySince(
  now: readonly LatencyRow[],
  before: readonly LatencyRow[],
): LatencyRow[] {
  return now.flatMap((row) => {
    const old = before.find(
      ({ pool, of, time }) => pool === row.pool && of === row.of && time === row.time,
    );
    const figures = old === undefined ? row.figures : since(row.figures, old.figures);
    return figures.count === 0 ? [] : [{ ...row, figures }];
  });
}

/** "p50" → microseconds. */
export function percentilesOf(figures: HistogramFigures): Record<string, number> {
  return Object.fromEntries(
    SHOWN_SHARES.map((share) => [nameOfShare(share), percentile(figures, share)]),
  );
}

/** "850 us", "2.1 ms", "1.2 s": three digits at most. */
export function formatMicroseconds(us: number): string {
  if (us < 999.5) return `${Math.round(us)} us`;
  return us < 999_500 ? `${Number((us / 1000).toPrecision(3))} ms` : `${(us / 1e6).toFixed(2)} s`;
}
