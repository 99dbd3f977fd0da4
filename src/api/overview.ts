/**
 * What the admin process's page shows, as JSON of `/overview`: how the proxy is, what stands out, and the last minutes second by second.
 *
 * Rates are per second; times of requests are in microseconds, ages and points in time in milliseconds (since 1970).
 */
import type { AdminStatus } from "./control.ts";
import type { ProcessStatus, ProxyEvent } from "./control-socket.ts";
import type { ClientRow, SlowEntry } from "./inspection.ts";
import type { ServerTrouble } from "./stats.ts";

/** The last page of a browser goes on with data of another version: fields are only added. */
export interface Overview {
  readonly atMs: number;
  /** Null: the supervisor does not answer. */
  readonly status: OverviewStatus | null;
  /** What stands out, the gravest first. */
  readonly findings: readonly Finding[];
  readonly processes: readonly ProcessRow[];
  /** All pools together. */
  readonly all: RateRow & { readonly clients: number };
  readonly pools: readonly PoolRow[];
  readonly servers: readonly ServerRow[];
  /** Of all pools; the first OVERVIEW_SERVERS_MAX are in `servers`, those in trouble before the others. */
  readonly serversTotal: number;
  readonly families: readonly FamilyRow[];
  /** Null: not known yet, or the workers did not answer. */
  readonly clients: ClientsShown | null;
  /** The latest last. */
  readonly slow: readonly SlowEntry[];
  /** Reports of further looks by their path ("/hotkeys"), as the command of that name prints them with `--json`. */
  readonly looks: Readonly<Record<string, unknown>>;
  /** The latest last. */
  readonly events: readonly MarkedEvent[];
  /** Ascending. Only the last few, or with `?history` all that are kept. */
  readonly points: readonly Point[];
}

export type OverviewStatus = Omit<AdminStatus, "processes">;

export interface Finding {
  /** `bad`: clients notice it. `warn`: they will, or some do. `note`: good to know. */
  readonly level: "bad" | "warn" | "note";
  readonly text: string;
}

export interface ProcessRow extends ProcessStatus {
  /** Of the last second. */
  readonly rate: number;
  /** Share of a core since the last look, 0 … 1; null: not known yet. */
  readonly cpu: number | null;
  readonly residentBytes: number | null;
}

/** Over the last ten seconds. */
export interface RateRow {
  readonly rate: number;
  readonly errorRate: number;
  readonly p50: number;
  readonly p90: number;
  /** This and the next: absent, the proxy is older than them. */
  readonly p95?: number;
  readonly p98?: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface PoolRow extends RateRow {
  readonly pool: string;
  readonly protocol: string;
  readonly listen: string;
  readonly clients: number;
  readonly slowlogMs: number | null;
}

export interface ServerRow extends RateRow {
  readonly pool: string;
  readonly server: string;
  readonly trouble: ServerTrouble | null;
  readonly connections: number;
  /** Requests that wait to be sent, and for their reply. */
  readonly queued: number;
  readonly awaited: number;
  /** Of the time until a request was sent. */
  readonly queueP99: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
}

export interface FamilyRow extends RateRow {
  readonly pool: string;
  readonly family: string;
}

export interface ClientsShown {
  readonly total: number;
  /** The busiest ones, the most requests a second first. */
  readonly rows: readonly (ClientRow & { readonly rate: number })[];
}

/** What an event means for the time axis. */
export type Mark = "start" | "reload" | "upgrade" | "death" | "ejection" | "lever" | "setting";

export interface MarkedEvent extends ProxyEvent {
  readonly mark: Mark | null;
}

/** Of pools: POINT_FIELDS; of servers: the requests of the second, and the 99th percentile of the time that they took there. */
export interface Point {
  readonly atMs: number;
  /** Of all pools together. */
  readonly all: readonly number[];
  readonly pools: Readonly<Record<string, readonly number[]>>;
  /** By pool and name of the server, with a line feed in between. */
  readonly servers: Readonly<Record<string, readonly number[]>>;
}

/** What the numbers of a pool's point are. */
export const POINT_FIELDS = [
  "rate",
  "errors",
  "p50",
  "p90",
  "p99",
  "p999",
  "max",
  "clients",
] as const;
export type PointField = (typeof POINT_FIELDS)[number];
