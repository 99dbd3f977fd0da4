/**
 * What the supervisor and its children say to each other: one JSON object a line over a unix socket pair.
 *
 * The child's end is always fd 3. The supervisor's end survives its own re-execution, which is why this is not Bun's IPC.
 */
import type { Config } from "./config.ts";
import type { StatsLayout } from "./stats.ts";

/** Fd of the control channel in every child process. */
export const CONTROL_FD = 3;
/** Fd of the shared statistics memory in every child process. */
export const STATS_FD = 4;
/** Fd of the first listening socket in a worker; the others follow without gaps. */
export const LISTEN_FD_FIRST = 5;

export interface ListenerGrant {
  /** Name of the pool that clients of this socket talk to. */
  readonly pool: string;
  /** The listening socket's number in the worker process. */
  readonly fd: number;
}

export type ToWorker =
  | {
      readonly type: "start";
      readonly slot: number;
      /** Worker processes in all: a pool's client limit is divided by it. */
      readonly workers: number;
      readonly config: Config;
      readonly listeners: readonly ListenerGrant[];
      readonly stats: StatsLayout;
    }
  /** Accept nobody any more, finish what is in flight, then exit 0; after timeoutMs close the rest. */
  | { readonly type: "drain"; readonly timeoutMs: number }
  | { readonly type: "stop" }
  | { readonly type: "reopen_log" }
  | { readonly type: "log_level"; readonly level: Config["log"]["level"] }
  /** Answered by `pong` with the same id from the event loop: proof that it turns. */
  | { readonly type: "ping"; readonly id: number };

export type FromWorker =
  | { readonly type: "ready"; readonly pid: number; readonly version: string }
  /** Cannot serve (for instance: a listening fd is not usable); the worker exits after this. */
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "drained"; readonly closed: number }
  | { readonly type: "pong"; readonly id: number; readonly clients: number };

/** The admin process serves statistics and nothing else. */
export type ToAdmin =
  | {
      readonly type: "start";
      readonly config: Config;
      readonly stats: StatsLayout;
      /** The text statistics port's listening socket in the admin process, or null. */
      readonly statsListenFd: number | null;
      readonly version: string;
      /** Milliseconds since the epoch at which the supervisor started. */
      readonly startedAtMs: number;
    }
  | { readonly type: "stop" }
  | { readonly type: "reopen_log" };
