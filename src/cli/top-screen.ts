/** What `proxy top` shows: rates and percentiles of the time between two looks at the proxy. */
import type { HistogramFigures } from "../api/stats.ts";
import { latencyRows, latencySince } from "../metrics/latency-rows.ts";
import { percentile } from "../metrics/percentiles.ts";
import { shortNames } from "./short-names.ts";
import { firstOf, formatRate, formatTime, sparkline } from "./top-figures.ts";
import type { Look } from "./top-look.ts";

/** Rates are per second, times in microseconds. */
export interface TopRow {
  /** "pool main", "main read", "main server shard-1" */
  readonly name: string;
  readonly rate: number;
  readonly errorRate: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p98: number;
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

type Counted = Pick<Look, "status" | "atMs">;

/** @param pool of which rows are wanted; null: of all */
export function topRows(before: Counted, now: Counted, only: string | null = null): TopRow[] {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const times = latencySince(
    latencyRows(now.status.metrics ?? []),
    latencyRows(before.status.metrics ?? []),
  );
  const figuresOf = (pool: string, of: string, time: string): HistogramFigures | undefined =>
    times.find((row) => row.pool === pool && row.of === of && row.time === time)?.figures;
  const rows: TopRow[] = [];
  for (const pool of now.status.pools ?? []) {
    if (only !== null && pool.name !== only) continue;
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
    ...{ p95: at(0.95), p98: at(0.98), p99: at(0.99), p999: at(0.999), max: at(1) },
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

type Percentile = "p50" | "p90" | "p95" | "p98" | "p99" | "p999" | "max";

interface Figure {
  readonly heading: string;
  readonly width: number;
  readonly text: (row: TopRow) => string;
}

const RATES: readonly Figure[] = [
  { heading: "req/s", width: 7, text: ({ rate }) => formatRate(rate) },
  { heading: "err/s", width: 6, text: ({ errorRate }) => formatRate(errorRate) },
];
const USUAL: readonly Percentile[] = ["p50", "p90", "p95", "p98", "p99", "max"];
const ALL: readonly Percentile[] = ["p50", "p90", "p95", "p98", "p99", "p999", "max"];
const TIME_WIDTH = 7;
/** From this width on there is room for all percentiles and a line of the last rates. */
const WIDE_COLUMNS = 104;
const SPARK_WIDTH = 12;
const TITLE_SPARK_WIDTH = 20;
const NAME_WIDTH_MIN = 8;
/** Title, heading and what stands below the rows. */
const LINES_BESIDES = 6;

/** Rates of the looks so far, by the name of the row; "": of all pools together. */
export type RateHistory = ReadonlyMap<string, readonly number[]>;

export interface Overview {
  readonly rows: readonly TopRow[];
  readonly look: Look;
  /** See `leaders`. */
  readonly leaders: readonly string[];
  readonly history: RateHistory;
}

/** Lines that fit the screen: rates and percentiles, and who has the most of everything. */
export function topScreen(
  { rows, look, leaders, history }: Overview,
  key: SortKey,
  { columns, lines }: Screen,
): string[] {
  const isWide = columns >= WIDE_COLUMNS;
  const figures = [...RATES, ...(isWide ? ALL : USUAL).map(timeFigure)];
  const taken = figures.reduce((sum, { width }) => sum + width, isWide ? SPARK_WIDTH + 1 : 0);
  const nameWidth = Math.max(NAME_WIDTH_MIN, columns - taken);
  const room = Math.max(1, lines - LINES_BESIDES - leaders.length);
  const shown = sorted(rows, key).filter((_, index) => index < room);
  const left = rows.length - shown.length;
  const names = shortNames(
    shown.map(({ name }) => name),
    nameWidth,
  );
  const cells = (text: (figure: Figure) => string): string =>
    figures.map((figure) => text(figure).padStart(figure.width)).join("");
  const spark = (name: string): string =>
    isWide ? ` ${sparkline(history.get(name) ?? [], SPARK_WIDTH)}` : "";
  return [
    titleOf(look, history, columns),
    "",
    `${"".padEnd(nameWidth)}${cells(({ heading }) => heading)}`,
    ...shown.map(
      (row, index) =>
        `${names[index]!.padEnd(nameWidth)}${cells(({ text }) => text(row))}${spark(row.name)}`,
    ),
    left > 0 ? `… ${left} more` : "",
    ...leaders,
    "",
    `by ${key}: n r e p m · views: 1 all 2 clients 3 keys 4 workers · ←→ pool · q`,
  ].map((line) => line.substring(0, columns));
}

/** The same frame around another view's lines. */
export function viewScreen(
  body: readonly string[],
  look: Look,
  history: RateHistory,
  { columns, lines }: Screen,
): string[] {
  const room = Math.max(1, lines - 4);
  const shown = firstOf(body, room);
  const left = body.length - shown.length;
  return [
    titleOf(look, history, columns),
    "",
    ...shown,
    left > 0 ? `… ${left} more` : "",
    "views: 1 all 2 clients 3 keys 4 workers · ← → pool · q quits",
  ].map((line) => line.substring(0, columns));
}

function titleOf({ status }: Look, history: RateHistory, columns: number): string {
  const workers = status.processes.filter(({ role }) => role === "worker").length;
  const title = `proxy ${status.version}, ${status.phase}, ${workers} workers, ${status.clients} clients`;
  const rates = history.get("") ?? [];
  const room = columns - title.length - 2;
  return rates.length < 2 || room < TITLE_SPARK_WIDTH
    ? title.substring(0, columns)
    : `${title}  ${sparkline(rates, TITLE_SPARK_WIDTH)}`;
}

function timeFigure(share: Percentile): Figure {
  const heading = share === "p999" ? "p99.9" : share;
  return { heading, width: TIME_WIDTH, text: (row) => formatTime(row[share]) };
}
