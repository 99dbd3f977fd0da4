/**
 * Where every counter lives in the shared statistics memory, as plain data.
 *
 * The memory is one array of float64 (exact for integers up to 2^53). Each worker slot owns a region of `stride`
 * values and is its only writer; readers sum over the slots. The supervisor assigns a base to every pool and
 * server by name and keeps it across respawn, reload and upgrade, so counters stay monotonic.
 */

/** Counters of one pool, in the order of their offsets from the pool's base. Append only: an upgrade inherits the memory. */
export const POOL_COUNTERS = [
  "client_eof",
  "client_err",
  "client_connections",
  "client_connections_total",
  "server_ejects",
  "forward_error",
  "fragments",
  "requests",
  "local_requests",
  "protocol_errors",
  "client_output_cut",
  "shared_subscriptions",
] as const;

/** Counters of one server, in the order of their offsets from the server's base. Append only, likewise. */
export const SERVER_COUNTERS = [
  "server_eof",
  "server_err",
  "server_timedout",
  "server_connections",
  "server_ejected_at",
  "requests",
  "request_bytes",
  "responses",
  "response_bytes",
  "in_queue",
  "in_queue_bytes",
  "out_queue",
  "out_queue_bytes",
  "server_connections_total",
  "server_pushes",
  "in_trouble",
  "ejected",
  "trouble_since",
  "trouble_kind",
] as const;

/** What `trouble_kind` counts from 1: the kind of the failure that began the trouble. Append only, likewise. */
export const TROUBLE_KINDS = ["refused", "closed", "timeout", "handshake", "garbage"] as const;
export type TroubleKind = (typeof TROUBLE_KINDS)[number];

export type PoolCounter = (typeof POOL_COUNTERS)[number];
export type ServerCounter = (typeof SERVER_COUNTERS)[number];

/** Offset of each counter from its pool's base: `values[poolBase + POOL.client_eof]`. */
export const POOL: Readonly<Record<PoolCounter, number>> = offsets(POOL_COUNTERS);
/** Offset of each counter from its server's base. */
export const SERVER: Readonly<Record<ServerCounter, number>> = offsets(SERVER_COUNTERS);

/** A server that failed, and has not answered a worker since. */
export interface ServerTrouble {
  /** When the first of these workers noticed; milliseconds since 1970. */
  readonly sinceMs: number;
  /** So many workers have it in trouble, and so many of them have taken it out of the ring. */
  readonly workers: number;
  readonly ejectedBy: number;
  /** Null: a kind that this version does not know. */
  readonly kind: TroubleKind | null;
}

/** All that is counted of one pool. */
export interface PoolFigures {
  readonly name: string;
  readonly counters: Readonly<Record<PoolCounter, number>>;
  readonly servers: readonly {
    readonly name: string;
    readonly counters: Readonly<Record<ServerCounter, number>>;
    /** Null: no worker has it in trouble. Absent: the proxy is older than this. */
    readonly trouble?: ServerTrouble | null;
  }[];
}

export interface StatsLayout {
  /** Float64 values per worker slot. */
  readonly stride: number;
  /** Worker slots that the memory has room for. */
  readonly slots: number;
  readonly pools: readonly {
    readonly name: string;
    readonly base: number;
    readonly servers: readonly { readonly name: string; readonly base: number }[];
  }[];
}

function offsets<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<Name, number>;
}
