/**
 * What is counted of every pool and server, and where it lives in the shared statistics memory, as plain data.
 *
 * The memory is one array of float64 (exact for integers up to 2^53). Each worker slot owns a region of `stride`
 * values and is its only writer; readers sum over the slots. The supervisor gives every block of values a base and keeps it
 * across respawn, reload and upgrade, so counters stay monotonic.
 */
import {
  type BlockSchema,
  defineMetrics,
  type Labels,
  type MetricSet,
  type ValueName,
} from "./metrics.ts";

/**
 * Values in the block of a pool or server. Programs before the directory know these blocks, and no others: such a block
 * cannot grow, and a row once in it keeps its offset. There is room for more rows; histograms are not in it.
 */
export const BLOCK_VALUES = 32;

/** Append only. */
const POOL_ROWS = {
  client_eof: ["counter", "client connections that the client closed"],
  client_err: ["counter", "client connections that ended in an error"],
  client_connections: ["gauge", "client connections that are open now"],
  client_connections_total: ["counter", "client connections ever accepted"],
  server_ejects: ["counter", "times a server was taken out of the ring"],
  forward_error: ["counter", "requests that could not be forwarded"],
  fragments: ["counter", "parts that requests of several keys were split into"],
  requests: ["counter", "requests received"],
  local_requests: ["counter", "requests answered by the proxy itself"],
  protocol_errors: ["counter", "requests that broke the protocol"],
  client_output_cut: ["counter", "clients cut off because they did not read their replies"],
  // Of Redis alone, and in every pool's block, because programs before the directory have it there.
  shared_subscriptions: [
    "gauge",
    "subscriptions of clients now that share another client's at the servers",
  ],
  slow_requests: ["counter", "requests that took longer than the slow log's threshold"],
  client_refused: ["counter", "clients turned away, because there were too many"],
  client_memory_cut: [
    "counter",
    "clients cut off because clients together held too much memory, and they most of it",
  ],
  client_bytes: [
    "gauge",
    "bytes that clients' unread replies, incomplete requests, and what they leave in transactions and blocking commands take now",
  ],
  client_throttled: [
    "counter",
    "times that a client was over a limit, and delayed, answered with an error, or closed",
  ],
  client_header_refused: [
    "counter",
    "connections closed because of their PROXY header: it was malformed or late, or its source not trusted",
  ],
  retries: ["counter", "times a request was sent again, here or to another server"],
  moves_given: ["counter", "clients that went to another worker"],
  moves_received: ["counter", "clients that came from another worker"],
  client_timed_out: [
    "counter",
    "clients closed because they were idle, or took too long to send a request",
  ],
} as const;

/** Append only. */
const SERVER_ROWS = {
  server_eof: ["counter", "server connections that the server closed"],
  server_err: ["counter", "server connections that ended in an error"],
  server_timedout: ["counter", "requests that got no reply in time"],
  server_connections: ["gauge", "server connections that are open now"],
  server_ejected_at: [
    "last_time",
    "when the server was last taken out, in microseconds since 1970",
  ],
  requests: ["counter", "requests sent to the server"],
  request_bytes: ["counter", "bytes of these requests"],
  responses: ["counter", "replies received from the server"],
  response_bytes: ["counter", "bytes of these replies"],
  in_queue: ["gauge", "requests that wait to be sent now"],
  in_queue_bytes: ["gauge", "bytes of these requests"],
  out_queue: ["gauge", "requests that wait for their reply now"],
  out_queue_bytes: ["gauge", "bytes of these requests"],
  server_connections_total: ["counter", "server connections ever made"],
  server_pushes: [
    "counter",
    "messages of the server that answered no request, and went no further",
  ],
  in_trouble: ["gauge", "workers in which the server failed, and has not answered since"],
  ejected: ["gauge", "workers that have taken the server out of the ring now"],
  trouble_since: [
    "gauge_min",
    "when the first of these noticed, in microseconds since 1970; 0: it is well",
  ],
  trouble_kind: [
    "gauge_max",
    "what began it: 1 no connection, 2 it closed one, 3 no reply in time, 4 handshake, 5 bad reply, 6 its probes fail, 7 it answers with errors of its state",
  ],
  in_pool: ["gauge", "workers in which it is one of the pool's servers now"],
  error_replies: ["counter", "replies that are errors of the server"],
  health: [
    "gauge_max",
    "the worst state that a worker has it in: 1 up, 2 suspect, 4 probing, 8 down",
  ],
  health_changes: ["counter", "changes of that state, in each worker"],
  probes: ["counter", "health checks made"],
  probe_failures: ["counter", "health checks that failed"],
} as const;

export const POOL_METRICS: MetricSet<typeof POOL_ROWS> = defineMetrics("pool", ["pool"], POOL_ROWS);
export const SERVER_METRICS: MetricSet<typeof SERVER_ROWS> = defineMetrics(
  "server",
  ["pool", "server"],
  SERVER_ROWS,
);

/** What `trouble_kind` counts from 1: the kind of the failure that began the trouble. Append only, likewise. */
export const TROUBLE_KINDS = [
  "refused",
  "closed",
  "timeout",
  "handshake",
  "garbage",
  "probe",
  "signal",
] as const;
export type TroubleKind = (typeof TROUBLE_KINDS)[number];

/**
 * What a server may be to a worker, as bits that grow with the gravity, so that the worst of all workers is the largest.
 * `suspect`: something tells against it. `down`: it gets no requests. `probing`: it was down, and has begun to answer.
 */
export const HEALTH_STATES = { up: 1, suspect: 2, probing: 4, down: 8 } as const;
export type HealthState = keyof typeof HEALTH_STATES;

/** Null: no worker has said, or it is a state that only a later version knows. */
export function healthOf(value: number): HealthState | null {
  const names = Object.keys(HEALTH_STATES) as HealthState[];
  return names.find((name) => HEALTH_STATES[name] === value) ?? null;
}

export type PoolCounter = ValueName<typeof POOL_ROWS>;
export type ServerCounter = ValueName<typeof SERVER_ROWS>;

export const POOL_COUNTERS: readonly PoolCounter[] = POOL_METRICS.valueNames;
export const SERVER_COUNTERS: readonly ServerCounter[] = SERVER_METRICS.valueNames;

/** Offset of each counter from its pool's base: `values[poolBase + POOL.client_eof]`. */
export const POOL: Readonly<Record<PoolCounter, number>> = POOL_METRICS.at;
/** Offset of each counter from its server's base. */
export const SERVER: Readonly<Record<ServerCounter, number>> = SERVER_METRICS.at;

/** A server that failed, and has not answered a worker since. */
export interface ServerTrouble {
  /** When the first of these workers noticed; milliseconds since 1970. */
  readonly sinceMs: number;
  /** So many workers have it in trouble, and so many of them have taken it out of the ring. */
  readonly workers: number;
  readonly ejectedBy: number;
  /** Null: a kind that this version does not know. */
  readonly kind: TroubleKind | null;
  /** The worst that a worker has it in. Absent, null: not known. */
  readonly state?: HealthState | null;
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

/** What a set has counted for one combination of labels, over all workers. */
export interface SetFigures {
  readonly set: string;
  readonly labels: Labels;
  readonly values: Readonly<Record<string, number | HistogramFigures>>;
  /** What each value that is a number means, one line. Absent: the proxy is older than this. */
  readonly help?: Readonly<Record<string, string>>;
}

export interface HistogramFigures {
  readonly count: number;
  readonly sum: number;
  /** Buckets that hold something: the largest value that belongs there, and how many there are; ascending. */
  readonly buckets: readonly (readonly [largest: number, count: number])[];
}

export interface StatsLayout {
  /** Float64 values per worker slot. */
  readonly stride: number;
  /** Worker slots that the memory has room for. */
  readonly slots: number;
  /** Also the entry of DIRECTORY_NAME. */
  readonly pools: readonly PoolPlace[];
}

/** Blocks of BLOCK_VALUES values. */
export interface PoolPlace {
  readonly name: string;
  readonly base: number;
  readonly servers: readonly { readonly name: string; readonly base: number }[];
  /** In the entry of DIRECTORY_NAME only. */
  readonly directory?: Directory;
}

/**
 * Name of the entry behind all blocks that carries the directory, as if it were a pool; no pool can have it. Programs before
 * the directory keep entries of pools that they do not know, with all fields, and give out only what is behind their bases:
 * so it comes back unharmed when such a program takes over for a while. The values of the entry are always zero.
 */
export const DIRECTORY_NAME = "";

/** All blocks but those of pools and servers. */
export interface Directory {
  readonly schemas: readonly BlockSchema[];
  readonly blocks: readonly StoredBlock[];
}

/** A block is at the same place in every worker's region. */
export interface StoredBlock {
  /** Index in `schemas`. */
  readonly schema: number;
  readonly labels: Labels;
  /** Its first value, counted from the beginning of a region. */
  readonly base: number;
  /** Values; those behind the schema's rows are zero. */
  readonly size: number;
}
