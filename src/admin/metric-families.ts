/** What the proxy has counted, under the names that collectors expect: `proxy_…`, seconds and bytes, counters with `_total`. */
import type { Config } from "../api/config.ts";
import type { MetricKind, MetricRow } from "../api/metrics.ts";
import { MODULE_METRICS } from "../api/module-metrics.ts";
import {
  type HistogramFigures,
  POOL_METRICS,
  type PoolFigures,
  SERVER_METRICS,
  type SetFigures,
} from "../api/stats.ts";
import type { HistogramSample, MetricFamily, Sample, SampleLabels } from "./exposition.ts";
import { OTEL_SYSTEMS, otelConnectionFamily } from "./otel-connections.ts";

export interface CountedFigures {
  readonly config: Config;
  readonly pools: readonly PoolFigures[];
  readonly sets: readonly SetFigures[];
  /** Rows of the sets: "redis foreign_clients". */
  readonly rows: ReadonlyMap<string, MetricRow>;
}

/** Where the name of a row is not its metric's: a counter and a gauge must not have the same name, and times are in seconds. */
const RENAMED: Readonly<Record<string, string>> = {
  client_connections_total: "client_connects",
  server_connections_total: "connects",
  server_connections: "connections",
  server_eof: "eof",
  server_err: "errors",
  server_timedout: "timeouts",
  server_ejected_at: "ejected_timestamp_seconds",
  server_pushes: "pushes",
  client_err: "client_errors",
  server_ejects: "ejections",
  forward_error: "forward_errors",
  client_output_cut: "clients_cut",
  client_refused: "clients_refused",
  trouble_since: "trouble_since_timestamp_seconds",
};

const MICROSECONDS = 1e-6;

export function countedFamilies({ config, pools, sets, rows }: CountedFigures): MetricFamily[] {
  const poolFamilies = POOL_METRICS.schema.rows.map((row) =>
    family("proxy_pool", row, (name) =>
      pools.map((pool) => ({
        labels: { pool: pool.name },
        value: pool.counters[name as keyof typeof pool.counters],
      })),
    ),
  );
  const serverFamilies = SERVER_METRICS.schema.rows.map((row) =>
    family("proxy_server", row, (name) =>
      pools.flatMap((pool) =>
        pool.servers.map((server) => ({
          labels: { pool: pool.name, server: server.name },
          value: server.counters[name as keyof typeof server.counters],
        })),
      ),
    ),
  );
  return [
    ...poolFamilies,
    ...serverFamilies,
    ...HISTOGRAMS.map((histogram) => histogramFamily(histogram, sets)),
    otelFamily(config, sets),
    otelConnectionFamily(config, pools),
    errorFamily(sets),
    ...setFamilies(sets, rows),
  ];
}

function family(
  prefix: string,
  { name, kind, help }: MetricRow,
  samples: (name: string) => Sample[],
): MetricFamily {
  const shown = RENAMED[name] ?? name;
  const isTime = shown.endsWith("_seconds");
  return {
    name: `${prefix}_${shown}`,
    help: sentence(isTime ? help.replace("microseconds", "seconds") : help),
    type: kind === "counter" ? "counter" : "gauge",
    samples: samples(name).map(({ labels, value }) => ({
      labels,
      value: isTime ? value * MICROSECONDS : value,
    })),
  };
}

function sentence(help: string): string {
  return `${help.charAt(0).toUpperCase()}${help.substring(1)}.`;
}

// Histograms

interface ShownHistogram {
  readonly set: string;
  readonly row: string;
  readonly name: string;
  readonly help: string;
  /** From the unit of the histogram to the one that is shown. */
  readonly factor: number;
  readonly bounds: readonly number[];
}

/** Powers of two, which are bounds of the histograms' own buckets: nothing is counted in the wrong one. */
const US_BOUNDS: readonly number[] = powersOfTwo(4, 26);
const HALF_BOUNDS: readonly number[] = US_BOUNDS.flatMap((bound) => [bound, bound * 1.5]);
const BYTE_BOUNDS: readonly number[] = powersOfTwo(4, 30).filter((_, index) => index % 2 === 0);

const HISTOGRAMS: readonly ShownHistogram[] = [
  {
    ...{ set: "times", row: "total_us", name: "proxy_request_duration_seconds" },
    help: "From a request's arrival until its reply was written to the client.",
    ...{ factor: MICROSECONDS, bounds: HALF_BOUNDS },
  },
  {
    ...{ set: "server_times", row: "queue_us", name: "proxy_server_queue_duration_seconds" },
    help: "From a request's arrival until it was sent to the server.",
    ...{ factor: MICROSECONDS, bounds: US_BOUNDS },
  },
  {
    ...{ set: "server_times", row: "server_us", name: "proxy_server_response_duration_seconds" },
    help: "From a request's sending until its reply came.",
    ...{ factor: MICROSECONDS, bounds: US_BOUNDS },
  },
  {
    ...{ set: "client", row: "request_bytes", name: "proxy_request_size_bytes" },
    help: "Size of requests; those that came at once count with their average.",
    ...{ factor: 1, bounds: BYTE_BOUNDS },
  },
  {
    ...{ set: "client", row: "reply_bytes", name: "proxy_reply_size_bytes" },
    help: "Size of replies; those that went at once count with their average.",
    ...{ factor: 1, bounds: BYTE_BOUNDS },
  },
  {
    ...{ set: "client", row: "pipeline_depth", name: "proxy_pipeline_depth" },
    help: "Requests of one client underway, each time that some came.",
    ...{ factor: 1, bounds: powersOfTwo(0, 10) },
  },
  {
    ...{ set: "collections", row: "pause_us", name: "proxy_garbage_collection_duration_seconds" },
    help: "How long a worker stood still for a full collection that it asked for.",
    ...{ factor: MICROSECONDS, bounds: US_BOUNDS },
  },
  {
    ...{ set: "loop", row: "turn_us", name: "proxy_event_loop_turn_duration_seconds" },
    help: "How long a turn of a worker's event loop took, from its first event to its last write.",
    ...{ factor: MICROSECONDS, bounds: US_BOUNDS },
  },
];

function powersOfTwo(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => 2 ** (first + index));
}

function histogramFamily(
  { set, row, name, help, factor, bounds }: ShownHistogram,
  sets: readonly SetFigures[],
): MetricFamily {
  const samples = sets
    .filter((one) => one.set === set)
    .flatMap(({ labels, values }) => histogramSample(values[row], labels, bounds, factor));
  return { name, help, type: "histogram", samples };
}

function histogramSample(
  figures: number | HistogramFigures | undefined,
  labels: SampleLabels,
  bounds: readonly number[],
  factor: number,
): HistogramSample[] {
  if (typeof figures !== "object" || figures.count === 0) return [];
  const { buckets, count, sum } = figures;
  let at = 0;
  let below = 0;
  const upTo = bounds.map((bound): [number, number] => {
    // Values are whole: one of `bound - 1` may have been anything below the bound.
    for (; at < buckets.length && buckets[at]![0] < bound; at++) below += buckets[at]![1];
    return [rounded(bound * factor), below];
  });
  return [{ labels, upTo, count, sum: rounded(sum * factor) }];
}

/** Without what a product of decimals leaves behind. */
function rounded(value: number): number {
  return Number(value.toPrecision(15));
}

// OpenTelemetry

const OTEL_BOUNDS: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10].map(
  (seconds) => Math.round(seconds / MICROSECONDS),
);

/** `db.client.operation.duration`, by the semantic conventions: the proxy is the client, and the server the one behind it. */
function otelFamily({ pools }: Config, sets: readonly SetFigures[]): MetricFamily {
  const samples = sets
    .filter(({ set }) => set === "server_times")
    .flatMap(({ labels, values }) => {
      const pool = pools.find(({ name }) => name === labels["pool"]);
      const server = pool?.servers.find(({ name }) => name === labels["server"]);
      const system = OTEL_SYSTEMS[pool?.protocol ?? ""];
      if (server === undefined || system === undefined) return [];
      const { address } = server;
      const place: SampleLabels =
        address.kind === "tcp"
          ? { server_address: address.host, server_port: `${address.port}` }
          : { server_address: address.path };
      const named = { db_system_name: system, ...place, ...labels };
      return histogramSample(values["server_us"], named, OTEL_BOUNDS, MICROSECONDS);
    });
  return {
    name: "db_client_operation_duration_seconds",
    help: "Duration of database client operations, by OpenTelemetry's semantic conventions.",
    type: "histogram",
    samples,
  };
}

// Errors of servers

/** Sets that count what servers refuse, a row for each kind. */
const ERROR_SETS = /_errors$/;

function errorFamily(sets: readonly SetFigures[]): MetricFamily {
  const samples = sets
    .filter(isErrorSet)
    .flatMap(({ labels, values }) =>
      Object.entries(values).flatMap(([error, value]): Sample[] =>
        typeof value === "number" ? [{ labels: { ...labels, error }, value }] : [],
      ),
    );
  return {
    name: "proxy_server_error_replies_by_kind",
    help: "Replies that are errors of the server, by their first word.",
    type: "counter",
    samples,
  };
}

const MODULE_ROW = MODULE_METRICS.schema.rows[0];

function isErrorSet({ set, labels }: SetFigures): boolean {
  return ERROR_SETS.test(set) && labels["server"] !== undefined;
}

// What protocols and modules count

function setFamilies(
  sets: readonly SetFigures[],
  rows: ReadonlyMap<string, MetricRow>,
): MetricFamily[] {
  const found = new Map<string, { readonly row: MetricRow; readonly samples: Sample[] }>();
  for (const figures of sets) {
    const { set, labels, values } = figures;
    if (isErrorSet(figures)) continue;
    for (const [name, value] of Object.entries(values)) {
      // Each counter of a module has its own text, and all of them are one family.
      const row = set === MODULE_METRICS.name ? MODULE_ROW : rows.get(`${set} ${name}`);
      if (row === undefined || typeof value !== "number") continue;
      const metric = `proxy_${metricName(set)}_${metricName(name)}`;
      const known = found.get(metric);
      if (known === undefined) found.set(metric, { row, samples: [{ labels, value }] });
      else known.samples.push({ labels, value });
    }
  }
  return [...found].map(([name, { row, samples }]): MetricFamily => {
    const type = isCounter(row.kind) ? "counter" : "gauge";
    const help = sentence(row.help === "" ? row.name : row.help);
    return { name: name.replace(/_total$/, ""), help, type, samples };
  });
}

function isCounter(kind: MetricKind): boolean {
  return kind === "counter";
}

function metricName(text: string): string {
  return text.replace(/[^a-zA-Z0-9_]/g, "_");
}
