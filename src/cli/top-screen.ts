/** What `proxy top` shows: rates and percentiles of the time between two looks at the proxy. */
import type { Status } from "../api/control-socket.ts";
import type { HistogramFigures } from "../api/stats.ts";
import { formatMicroseconds, latencyRows, latencySince } from "../metrics/latency-rows.ts";
import { percentile } from "../metrics/percentiles.ts";
import { shortNames } from "./short-names.ts";

/** One look. */
export interface Look {
  readonly status: Status;
  /** By a monotonic clock. */
  readonly atMs: number;
}

/** Rates are per second, times in microseconds. */
export interface TopRow {
  /** "pool main", "main read", "main server shard-1" */
  readonly name: string;
  readonly rate: number;
  readonly errorRate: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export type SortKey = "name" | "rate" | "errors" | "p99" | "max";

/** By the key that is pressed. */
export const SORT_KEYS: Readonly<Record<string, SortKey>> = {
  n: "name",
  r: "rate",
  e: "errors",
  p: "p99",
  m: "max",
};

export function topRows(before: Look, now: Look): TopRow[] {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const times = latencySince(
    latencyRows(now.status.metrics ?? []),
    latencyRows(before.status.metrics ?? []),
  );
  const figuresOf = (pool: string, of: string, time: string): HistogramFigures | undefined =>
    times.find((row) => row.pool === pool && row.of === of && row.time === time)?.figures;
  const rows: TopRow[] = [];
  for (const pool of now.status.pools ?? []) {
    const old = before.status.pools?.find(({ name }) => name === pool.name);
    const grown = (name: "requests" | "forward_error" | "protocol_errors"): number =>
      Math.max(0, pool.counters[name] - (old?.counters[name] ?? 0)) / seconds;
    const errors = grown("forward_error") + grown("protocol_errors");
    const total = figuresOf(pool.name, "all", "total");
    rows.push(rowOf(`pool ${pool.name}`, grown("requests"), errors, total));
    for (const { of, figures } of times.filter(
      ({ pool: owner, of, time }) => owner === pool.name && time === "total" && of !== "all",
    )) {
      rows.push(rowOf(`${pool.name} ${of}`, figures.count / seconds, 0, figures));
    }
    for (const server of pool.servers) {
      const earlier = old?.servers.find(({ name }) => name === server.name);
      const since = (name: "requests" | "server_timedout" | "server_err"): number =>
        Math.max(0, server.counters[name] - (earlier?.counters[name] ?? 0)) / seconds;
      const failures = since("server_timedout") + since("server_err");
      const figures = figuresOf(pool.name, `server ${server.name}`, "server");
      const state = server.trouble == null ? "" : " DOWN";
      const name = `${pool.name} server ${server.name}${state}`;
      rows.push(rowOf(name, since("requests"), failures, figures));
    }
  }
  return rows;
}

function rowOf(
  name: string,
  rate: number,
  errorRate: number,
  figures: HistogramFigures | undefined,
): TopRow {
  const at = (share: number): number => (figures === undefined ? 0 : percentile(figures, share));
  return {
    ...{ name, rate, errorRate, p50: at(0.5), p90: at(0.9) },
    ...{ p99: at(0.99), p999: at(0.999), max: at(1) },
  };
}

/** The largest first; without a key they stay pool by pool. */
export function sorted(rows: readonly TopRow[], key: SortKey): TopRow[] {
  if (key === "name") return [...rows];
  const value = (row: TopRow): number =>
    key === "rate" ? row.rate : key === "errors" ? row.errorRate : row[key];
  return rows.toSorted((a, b) => value(b) - value(a));
}

export interface Screen {
  readonly columns: number;
  readonly lines: number;
}

const WIDTHS: readonly number[] = [8, 6, 7, 7, 7, 7, 7];
const HEADINGS: readonly string[] = ["req/s", "err/s", "p50", "p90", "p99", "p99.9", "max"];

/** Lines that fit the screen. */
export function topScreen(
  rows: readonly TopRow[],
  { status }: Look,
  key: SortKey,
  { columns, lines }: Screen,
): string[] {
  const workers = status.processes.filter(({ role }) => role === "worker").length;
  const title = `proxy ${status.version}, ${status.phase}, ${workers} workers, ${status.clients} clients`;
  const nameWidth = Math.max(8, columns - WIDTHS.reduce((sum, width) => sum + width + 1, 0));
  const line = (name: string, cells: readonly string[]): string => {
    const right = cells.map((cell, index) => cell.padStart(WIDTHS[index]! + 1));
    return `${name.padEnd(nameWidth)}${right.join("")}`.substring(0, columns);
  };
  const room = Math.max(1, lines - 5);
  const shown = sorted(rows, key).filter((_, index) => index < room);
  const left = rows.length - shown.length;
  const names = shortNames(
    shown.map(({ name }) => name),
    nameWidth,
  );
  return [
    title.substring(0, columns),
    "",
    line("", HEADINGS),
    ...shown.map((row, index) =>
      line(names[index]!, [
        ...[row.rate, row.errorRate].map(formatRate),
        ...[row.p50, row.p90, row.p99, row.p999, row.max].map(formatTime),
      ]),
    ),
    left > 0 ? `… ${left} more` : "",
    `sorted by ${key}; keys: n r e p m sort, q quits`.substring(0, columns),
  ];
}

/** Six characters at most. */
function formatRate(rate: number): string {
  if (rate === 0) return "-";
  if (rate < 9.95) return rate.toFixed(1);
  if (rate < 99_999.5) return `${Math.round(rate)}`;
  return rate < 999_500 ? `${Math.round(rate / 1000)}k` : `${(rate / 1e6).toFixed(1)}M`;
}

function formatTime(us: number): string {
  return us === 0 ? "-" : formatMicroseconds(us).replace(" ", "");
}
