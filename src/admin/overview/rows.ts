/** The tables and points of the overview, from what came between two samples. */
import type { Config, PoolConfig } from "../../api/config.ts";
import type {
  FamilyRow,
  Overview,
  Point,
  PoolRow,
  RateRow,
  ServerRow,
} from "../../api/overview.ts";
import type { HistogramFigures, PoolFigures } from "../../api/stats.ts";
import {
  OVERVIEW_POOLS_MAX,
  OVERVIEW_SERIES_SERVERS_MAX,
  OVERVIEW_SERVERS_MAX,
} from "../../base/page-limits.ts";
import { formatAddress } from "../../config/address.ts";
import { added, percentile } from "../../metrics/percentiles.ts";
import { NO_TIMES, type ServerFigures, type Span } from "./sample.ts";

type Times = Omit<RateRow, "rate" | "errorRate">;

export function poolRows(span: Span, config: Config): PoolRow[] {
  const configs = new Map(config.pools.map((pool) => [pool.name, pool]));
  return span.now.pools.map((pool) => {
    const known: PoolConfig | undefined = configs.get(pool.name);
    return {
      pool: pool.name,
      protocol: known?.protocol ?? "",
      listen: known === undefined ? "" : formatAddress(known.listen),
      clients: pool.counters.client_connections,
      slowlogMs: known?.slowlogMs ?? null,
      rate: span.poolRate(pool, "requests"),
      errorRate: poolErrors(span, pool),
      ...timesOf(span.times(pool.name, "all", "total")),
    };
  });
}

/** All pools together. */
export function allRow(span: Span): Overview["all"] {
  const { pools } = span.now;
  const sum = (value: (pool: PoolFigures) => number): number =>
    pools.reduce((total, pool) => total + value(pool), 0);
  const figures = pools.map(({ name }) => span.times(name, "all", "total"));
  return {
    clients: sum((pool) => pool.counters.client_connections),
    rate: sum((pool) => span.poolRate(pool, "requests")),
    errorRate: sum((pool) => poolErrors(span, pool)),
    ...timesOf(figures.reduce(added, NO_TIMES)),
  };
}

function poolErrors(span: Span, pool: PoolFigures): number {
  return span.poolRate(pool, "forward_error", "protocol_errors");
}

/** Those in trouble first, and then as the configuration has them; at most OVERVIEW_SERVERS_MAX. */
export function serverRows(span: Span): { readonly rows: ServerRow[]; readonly total: number } {
  const all = span.now.pools.flatMap((pool) =>
    pool.servers.map((server) => ({ pool: pool.name, server })),
  );
  const inTrouble = all.filter(({ server }) => server.trouble != null);
  const others = all.filter(({ server }) => server.trouble == null);
  const shown = [...inTrouble, ...others].filter((_, index) => index < OVERVIEW_SERVERS_MAX);
  return {
    rows: shown.map(({ pool, server }) => serverRow(span, pool, server)),
    total: all.length,
  };
}

function serverRow(span: Span, pool: string, server: ServerFigures): ServerRow {
  const { counters } = server;
  return {
    pool,
    server: server.name,
    trouble: server.trouble ?? null,
    connections: counters.server_connections,
    queued: counters.in_queue,
    awaited: counters.out_queue,
    rate: span.serverRate(pool, server, "requests"),
    errorRate: span.serverRate(pool, server, "server_err", "server_timedout"),
    ...timesOf(span.times(pool, `server ${server.name}`, "server")),
    queueP99: Math.round(percentile(span.times(pool, `server ${server.name}`, "queue"), 0.99)),
    requestBytes: span.serverRate(pool, server, "request_bytes"),
    replyBytes: span.serverRate(pool, server, "response_bytes"),
  };
}

/** Of those that had requests. */
export function familyRows(span: Span): FamilyRow[] {
  return [...span.now.times.keys()].flatMap((key) => {
    const [pool = "", family = "", time = ""] = key.split("\n");
    if (time !== "total" || family === "all") return [];
    const figures = span.times(pool, family, time);
    if (figures.count === 0) return [];
    const rate = figures.count / span.seconds;
    return [{ pool, family, rate, errorRate: 0, ...timesOf(figures) }];
  });
}

/** One second. Of pools and servers beyond what is kept of each second there are only the sums. */
export function pointOf(span: Span, atMs: number): Point {
  const { pools } = span.now;
  const numbers = (of: readonly PoolFigures[], figures: HistogramFigures): number[] => {
    const sum = (value: (pool: PoolFigures) => number): number =>
      of.reduce((total, pool) => total + value(pool), 0);
    const { p50, p90, p99, p999, max } = timesOf(figures);
    const rate = rounded(sum((pool) => span.poolRate(pool, "requests")));
    const errors = rounded(sum((pool) => poolErrors(span, pool)));
    const clients = sum((pool) => pool.counters.client_connections);
    return [rate, errors, p50, p90, p99, p999, max, clients];
  };
  const figuresOf = ({ name }: PoolFigures): HistogramFigures => span.times(name, "all", "total");
  const kept = pools.filter((_, index) => index < OVERVIEW_POOLS_MAX);
  const servers = pools
    .flatMap((pool) => pool.servers.map((server) => ({ pool: pool.name, server })))
    .filter((_, index) => index < OVERVIEW_SERIES_SERVERS_MAX);
  return {
    atMs,
    all: numbers(pools, pools.map(figuresOf).reduce(added, NO_TIMES)),
    pools: Object.fromEntries(kept.map((pool) => [pool.name, numbers([pool], figuresOf(pool))])),
    servers: Object.fromEntries(
      servers.map(({ pool, server }) => {
        const figures = span.times(pool, `server ${server.name}`, "server");
        const rate = rounded(span.serverRate(pool, server, "requests"));
        return [`${pool}\n${server.name}`, [rate, Math.round(percentile(figures, 0.99))]];
      }),
    ),
  };
}

function timesOf(figures: HistogramFigures): Times {
  const at = (share: number): number => Math.round(percentile(figures, share));
  return {
    ...{ p50: at(0.5), p90: at(0.9), p95: at(0.95), p98: at(0.98) },
    ...{ p99: at(0.99), p999: at(0.999), max: at(1) },
  };
}

function rounded(rate: number): number {
  return Math.round(rate * 10) / 10;
}
